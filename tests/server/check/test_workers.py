"""What a number of workers means on this host."""

from __future__ import annotations

import os

import attrs

from conductor_trio.findings import Status
from conductor_trio.server.check.workers import check_workers
from conductor_trio.server.settings import ServerSettings

SETTINGS = ServerSettings(runtime_dir="/nowhere", patterns=("{key}-{user}.test",))


def test_as_many_as_there_are_cores() -> None:
    assert check_workers(SETTINGS).status is Status.OK
    cores = len(os.sched_getaffinity(0))
    assert check_workers(attrs.evolve(SETTINGS, workers=cores)).status is Status.OK


def test_more_than_there_are_cores() -> None:
    cores = len(os.sched_getaffinity(0))
    finding = check_workers(attrs.evolve(SETTINGS, workers=cores + 1))
    assert finding.status is Status.WARNING and f"--workers {cores}" in finding.advice
