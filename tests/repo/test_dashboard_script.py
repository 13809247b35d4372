"""The script that measures the dashboard: that it measures, whatever the figures are."""

from __future__ import annotations

import pytest

from scripts.dashboard.__main__ import main


def test_it_measures(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--sessions", "130", "--dashboards", "2", "--seconds", "0.5"]) == 0
    rows = dict(line.split("  ", 1) for line in capsys.readouterr().out.splitlines())
    assert rows["sessions"].strip() == "130"
    assert {"first frame", "search", "sort", "another page", "longest step of a dashboard's tasks"} <= rows.keys()
    assert int(rows["steps of more than 5 ms"].split()[2]) > 50
