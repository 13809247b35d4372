"""The soak: what it takes for a leak, and a short one of a real server."""

from __future__ import annotations

import json
from pathlib import Path

import attrs
import pytest

from scripts.soak.__main__ import main
from scripts.soak.vitals import HEADINGS, MAX_GROWTH, Vitals, format_row, judge

BASE = Vitals(
    resident=36 << 20, descriptors=13, threads=1, directories=0, routes=0, active=0, held=0, requests=1, errors=0
)
WARM = attrs.evolve(BASE, resident=42 << 20, descriptors=12, threads=4, requests=100_000)


def test_a_server_that_came_back_to_rest_is_well() -> None:
    last = attrs.evolve(WARM, resident=WARM.resident + MAX_GROWTH, requests=10**6)
    assert judge(BASE, [WARM, last]) == []


@pytest.mark.parametrize(
    "change, told",
    [
        ({"resident": WARM.resident + MAX_GROWTH + 1}, "memory grew by 6.0 MiB"),
        ({"descriptors": 14}, "descriptors: 14, and 13 before all"),
        ({"directories": 1}, "directories: 1"),
        ({"routes": 1}, "routes: 1"),
        ({"active": 1}, "active: 1"),
        ({"held": 1}, "held: 1"),
        ({"threads": 13}, "threads: up to 13"),
        ({"errors": 1}, "1 errors of its own"),
    ],
)
def test_what_is_left_is_told(change: dict[str, int], told: str) -> None:
    [wrong] = judge(BASE, [WARM, attrs.evolve(WARM, **change)])
    assert told in wrong


def test_what_the_warm_up_allocates_stays() -> None:
    warm = attrs.evolve(WARM, resident=1 << 40)
    assert judge(BASE, [warm, warm]) == []
    assert judge(BASE, [WARM, warm]) != []
    assert judge(BASE, [WARM, warm, warm], warm_up=2) == []


def test_a_server_at_rest_holds_nothing_and_no_more_descriptors_than_before() -> None:
    assert WARM.is_at_rest(BASE.descriptors)
    for change in ({"descriptors": 14}, {"directories": 1}, {"routes": 1}, {"active": 1}, {"held": 1}):
        assert not attrs.evolve(WARM, **change).is_at_rest(BASE.descriptors)


def test_rows_stand_below_their_headings() -> None:
    assert len(format_row("round 1", WARM)) == len(HEADINGS)


@pytest.mark.e2e
def test_a_short_soak_leaves_nothing(short_tmp: Path, capfd: pytest.CaptureFixture[str]) -> None:
    result = short_tmp / "soak.json"
    options = ["--requests", "3000", "--sessions", "60", "--volume", "1", "--rounds", "2", "--attack", "1"]
    status = main([*options, "--result", str(result)])
    assert status == 0, capfd.readouterr().err
    written = json.loads(result.read_text())
    assert written["wrong"] == []
    assert [found["rest"]["routes"] for found in written["rounds"]] == [0, 0]
    # Sessions were live while it looked.
    assert max(moment["routes"] for found in written["rounds"] for moment in found["work"]) > 1
    assert written["rounds"][-1]["rest"]["requests"] > 3000
