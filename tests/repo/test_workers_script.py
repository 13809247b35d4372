"""The script that kills workers and registers sessions: that it measures, whatever the figures are."""

from __future__ import annotations

import pytest

from scripts.workers.__main__ import main


def test_it_kills_and_registers(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--kills", "1", "--visitors", "2", "--registrations", "3", "--workers", "1", "2"]) == 0
    rows = dict(line.split("  ", 1) for line in capsys.readouterr().out.splitlines())
    assert rows["lost otherwise"].strip() == "0"
    assert {"sessions", "descriptors of the control process", "a registration, workers: 2"} <= rows.keys()
