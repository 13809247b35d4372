"""Attackers: that they tell whether they attacked; what comes of it is for `make soak` and `make chaos`."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from scripts.attackers.__main__ import bounded_command
from scripts.attackers.ways import ATTACKS, BOUNDED
from scripts.bench.machine import REPOSITORY, free_port
from scripts.bench.results import MEASURES


@pytest.mark.parametrize("how", ["pongs", "lists", "unknown", "silent"])
def test_who_could_not_attack_says_so(how: str, short_tmp: Path) -> None:
    command = bounded_command([how], free_port(), short_tmp / "nobody", seconds=0.2)
    # As another user they cannot write what the measurement of coverage would have them write.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    done = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.endswith(f"attackers: nothing came of {how}\n")


def test_bounds_hold_for_all_but_a_program_that_knows_none_and_what_uses_up_a_quota() -> None:
    assert set(ATTACKS) - set(BOUNDED) == {"sessions", "registrations", "clients"}


def test_each_has_a_row_of_its_own_in_the_measurement_of_fairness() -> None:
    assert {f"fairness-{how}-ratio" for how in ATTACKS} <= {measure.name for measure in MEASURES}
