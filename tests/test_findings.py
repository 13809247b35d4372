"""What was found is shown in lines that align, and says what to do and whom to ask where somebody can."""

from __future__ import annotations

import pytest

from conductor_trio.findings import Finding, Status, format_finding


def make_finding(place: str, status: Status, detail: str = "", advice: str = "", whom: str = "") -> Finding:
    return Finding(place=place, status=status, detail=detail, advice=advice, whom=whom)


@pytest.mark.parametrize(
    ("finding", "lines"),
    [
        (make_finding("ssh", Status.OK), ["ok       ssh"]),
        (make_finding("ssh", Status.OK, "it answers"), ["ok       ssh                 it answers"]),
        (
            make_finding("ssh", Status.FAILED, "refused", "Start it.", "The operator."),
            [
                "failed   ssh                 refused",
                "                             What to do: Start it.",
                "                             Whom to ask: The operator.",
            ],
        ),
        (
            make_finding("certificate", Status.WARNING, "it ends soon", "Renew it."),
            [
                "warning  certificate         it ends soon",
                "                             What to do: Renew it.",
            ],
        ),
        (
            make_finding("x", Status.SKIPPED, whom="Nobody."),
            ["skipped  x", "                             Whom to ask: Nobody."],
        ),
    ],
)
def test_for_people(finding: Finding, lines: list[str]) -> None:
    assert format_finding(finding) == "".join(line + "\n" for line in lines)


def test_the_words_are_those_that_programs_compare() -> None:
    assert [status.value for status in Status] == ["ok", "warning", "failed", "skipped"]
