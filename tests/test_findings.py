"""What was found is shown in lines that align, and says what to do and whom to ask where somebody can."""

from __future__ import annotations

import pytest

from conductor_trio.findings import Finding, Status, format_finding


def make_finding(check: str, status: Status, detail: str = "", advice: str = "", contact: str = "") -> Finding:
    return Finding(check=check, status=status, detail=detail, advice=advice, contact=contact)


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
            make_finding("x", Status.SKIPPED, contact="Nobody."),
            ["skipped  x", "                             Whom to ask: Nobody."],
        ),
    ],
)
def test_for_people(finding: Finding, lines: list[str]) -> None:
    assert format_finding(finding) == "".join(line + "\n" for line in lines)


def test_the_words_are_those_that_programs_compare() -> None:
    assert [status.value for status in Status] == ["ok", "warning", "failed", "skipped"]


def test_what_others_say_adds_no_line_and_commands_no_terminal() -> None:
    shown = format_finding(make_finding("tls", Status.FAILED, "said\nok \x1b[2J", "do\x07"))
    assert shown.count("\n") == 2 and shown.replace("\n", "").isprintable()
