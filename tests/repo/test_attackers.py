"""Attackers: that they tell whether they attacked; what comes of it is for `make soak` and `make chaos`."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import pytest

from scripts.attackers.__main__ import bounded_command, wait_begun
from scripts.attackers.attack import Attack
from scripts.attackers.ways import ATTACKS, BOUNDED
from scripts.bench.machine import REPOSITORY, free_port
from scripts.bench.results import MEASURES


def run_attackers(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    # As another user they cannot write what the measurement of coverage would have them write.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    return subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("how", ["pongs", "lists", "unknown", "silent"])
def test_who_could_not_attack_says_so(how: str, short_tmp: Path) -> None:
    command = bounded_command([how], free_port(), short_tmp / "nobody", seconds=0.1, patience=0.1)
    done = run_attackers(command)
    assert done.returncode == 1
    assert done.stderr.endswith(f"attackers: nothing came of {how}\n")


def make_attack(over: threading.Event) -> Attack:
    return Attack(port=1, control=Path("nobody"), over=over)


def test_an_attack_s_time_begins_when_all_have_begun() -> None:
    """Those are late whose session the gateway of a busy machine takes only after seconds."""
    over = threading.Event()
    early, late = make_attack(over), make_attack(over)
    early.begun.set()
    with ThreadPoolExecutor() as threads:
        waiting = threads.submit(wait_begun, [early, late], over, patience=3600)
        assert not wait([waiting], timeout=0.2).done
        late.begun.set()
        waiting.result()


def test_who_cannot_attack_and_who_never_does_are_not_waited_for() -> None:
    over = threading.Event()
    wait_begun([make_attack(over)], over, patience=0)
    over.set()
    wait_begun([make_attack(over)], over, patience=3600)


def test_bounds_hold_for_all_but_a_program_that_knows_none_and_what_uses_up_a_quota() -> None:
    assert set(ATTACKS) - set(BOUNDED) == {"sessions", "registrations", "clients"}


def test_each_has_a_row_of_its_own_in_the_measurement_of_fairness() -> None:
    assert {f"fairness-{how}-ratio" for how in ATTACKS} <= {measure.name for measure in MEASURES}
