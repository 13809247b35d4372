"""What was found is shown in lines that align, and says what to do and whom to ask where somebody can."""

from __future__ import annotations

import pytest

from conductor_trio.findings import Finding, Status, format_finding


@pytest.mark.parametrize(
    ("finding", "lines"),
    [
        (Finding(place="ssh", status=Status.OK), ["ok       ssh"]),
        (
            Finding(place="ssh", status=Status.OK, detail="it answers"),
            ["ok       ssh                 it answers"],
        ),
        (
            Finding(place="ssh", status=Status.FAILED, detail="refused", advice="Start it.", whom="The operator."),
            [
                "failed   ssh                 refused",
                "                             What to do: Start it.",
                "                             Whom to ask: The operator.",
            ],
        ),
        (
            Finding(place="certificate", status=Status.WARNING, detail="it ends soon", advice="Renew it."),
            [
                "warning  certificate         it ends soon",
                "                             What to do: Renew it.",
            ],
        ),
        (
            Finding(place="x", status=Status.SKIPPED, whom="Nobody."),
            ["skipped  x", " " * 29 + "Whom to ask: Nobody."],
        ),
    ],
)
def test_for_people(finding: Finding, lines: list[str]) -> None:
    assert format_finding(finding) == "".join(line + "\n" for line in lines)


def test_the_words_are_those_that_programs_compare() -> None:
    assert [status.value for status in Status] == ["ok", "warning", "failed", "skipped"]
