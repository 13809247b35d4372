"""How long starting takes: ``--help``, and from launch to ``live``."""

from __future__ import annotations

import subprocess
import sys
import time

import trio

from scripts.bench.machine import PATIENCE, BenchError
from scripts.bench.peers import OURS, own_program
from scripts.bench.results import Sample
from scripts.bench.stage import Bench
from scripts.demo import EventReader, Stage, open_program, open_stage, run_server
from scripts.private_sshd import SshdError

_RUNS = 10

# An application that is ready as soon as a program can be.
_QUICK = """
import signal, socket, sys
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
listener.listen()
signal.pause()
"""


def measure_startup(bench: Bench) -> None:
    """Report how long ``--help`` takes, and how long it is from launch to ``live`` here and over SSH."""
    for _ in range(_RUNS):
        begin = time.perf_counter()
        subprocess.run(
            [own_program("conductor-trio"), "--help"], check=True, capture_output=True, timeout=PATIENCE
        )
        _report(bench, "help", time.perf_counter() - begin)
    with open_stage(over_ssh=False) as stage:
        trio.run(_measure_launches, bench, "launch-local", stage)
    try:
        with open_stage(over_ssh=True) as stage:
            trio.run(_measure_launches, bench, "launch-ssh", stage)
    except SshdError as error:
        bench.note(f"launch to live over SSH: {error}")


async def _measure_launches(bench: Bench, name: str, stage: Stage) -> None:
    """Report the times from the client's start to ``live``, the application being ready at once."""
    command = stage.client_command(sys.executable, "-IS", "-c", _QUICK)
    async with trio.open_nursery() as nursery:
        await nursery.start(run_server, stage)
        for _ in range(_RUNS):
            begin = time.perf_counter()
            log = stage.directory / "client.log"
            async with open_program(command, log, stage.client_environment()) as process:
                assert process.stdout is not None
                with trio.fail_after(PATIENCE):
                    await _wait_live(process.stdout)
                _report(bench, name, time.perf_counter() - begin)
        nursery.cancel_scope.cancel()


async def _wait_live(output: trio.abc.ReceiveStream) -> None:
    """Return when visitors can use the application; raises `BenchError` if that never comes."""
    async for event in EventReader(output):
        match event:
            case {"state": "live"}:
                return
            case {"state": "failed", "reason": reason}:
                raise BenchError(f"the client cannot go on: {reason}")
    raise BenchError("the client ended")


def _report(bench: Bench, name: str, seconds: float) -> None:
    bench.report(Sample(measure=name, peer=OURS.name, value=seconds * 1e3))
