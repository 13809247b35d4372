"""Attackers: that they tell whether they attacked; what comes of it is for `make soak` and `make chaos`."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from conductor_trio.limits.constants import RELAY_NAME
from scripts.attackers.__main__ import bounded_command
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


def answer_late(listener: socket.socket, directory: Path, late: float) -> None:
    """Be a gateway that takes the first session so many seconds late, and then whatever is shared."""
    with listener.accept()[0] as channel, channel.makefile("rwb", buffering=0) as lines:
        lines.write(json.dumps({"directory": str(directory)}).encode() + b"\n")
        lines.readline()
        time.sleep(late)
        lines.write(b'{"urls": ["shared.test"]}\n')
        with listener.accept()[0] as owner, owner.makefile("rwb", buffering=0) as commands:
            commands.write(b"{}\n")
            while commands.readline():
                commands.write(b'{"share": {"id": "one"}}\n')


def test_who_is_made_to_wait_longer_than_the_attack_takes_attacks_after_all(short_tmp: Path) -> None:
    """As those are whose session the gateway of a busy machine takes only after seconds."""
    short_tmp.chmod(0o777)  # they are another user
    control = short_tmp / "client"
    with socket.socket(socket.AF_UNIX) as listener, ThreadPoolExecutor() as threads:
        listener.bind(str(control))
        control.chmod(0o777)
        listener.listen()
        gateway = threads.submit(answer_late, listener, short_tmp, 0.5)
        done = run_attackers(bounded_command(["shares"], free_port(), control, seconds=0.1))
        assert (done.returncode, done.stderr) == (0, "")
        gateway.result()
        control.unlink()
        (short_tmp / RELAY_NAME).unlink()  # as nobody's, by us who own the directory


def test_bounds_hold_for_all_but_a_program_that_knows_none_and_what_uses_up_a_quota() -> None:
    assert set(ATTACKS) - set(BOUNDED) == {"sessions", "registrations", "clients"}


def test_each_has_a_row_of_its_own_in_the_measurement_of_fairness() -> None:
    assert {f"fairness-{how}-ratio" for how in ATTACKS} <= {measure.name for measure in MEASURES}
