"""How long starting takes: ``--help``, and from launch to ``live``."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from scripts.bench.client import open_client
from scripts.bench.machine import PATIENCE, REPOSITORY
from scripts.bench.peers import OURS, Site, open_gateway, ours_command, own_program
from scripts.bench.results import Sample
from scripts.bench.stage import Bench
from scripts.private_sshd import PrivateSshd, SshdError, open_private_sshd

_RUNS = 10

# An application that is ready as soon as a program can be.
QUICK_APPLICATION = """
import signal, socket, sys
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
listener.listen()
signal.pause()
"""


def measure_startup(bench: Bench) -> None:
    """Report how long ``--help`` takes, and how long it is from launch to ``live`` here and over SSH."""
    # As pip does at the installation; a checkout whose bytecode nobody may write is compiled at every start.
    subprocess.run([sys.executable, "-m", "compileall", "-q", REPOSITORY / "conductor_trio"], check=True)
    for _ in range(_RUNS):
        begin = time.perf_counter()
        subprocess.run(
            [own_program("conductor-trio"), "--help"], check=True, capture_output=True, timeout=PATIENCE
        )
        _report(bench, "help", time.perf_counter() - begin)
    _measure_launches(bench, "launch-local", None)
    try:
        with open_private_sshd() as sshd:
            _measure_launches(bench, "launch-ssh", sshd)
    except SshdError as error:
        bench.note(f"launch to live over SSH: {error}")


def _measure_launches(bench: Bench, name: str, sshd: PrivateSshd | None) -> None:
    """Report the times from the client's start to ``live``, the application being ready at once."""
    directory = bench.make_directory()
    local_socket = directory / "app"
    site = Site(directory=directory, upstream=local_socket)
    application: list[str | Path] = [sys.executable, "-IS", "-c", QUICK_APPLICATION, local_socket]
    with open_gateway(OURS.name, site, ours_command(site)):
        for _ in range(_RUNS):
            begin = time.perf_counter()
            with open_client(site, sshd, local_socket, application):
                _report(bench, name, time.perf_counter() - begin)


def _report(bench: Bench, name: str, seconds: float) -> None:
    bench.report(Sample(measure=name, peer=OURS.name, value=seconds * 1e3))
