"""A child is started with the signals that any program expects and the descriptors that it was meant to get."""

from __future__ import annotations

import os
import signal
import sys

import pytest

from conductor_trio.client.host.spawn import spawn


def run(command: list[str], descriptors: dict[int, int] | None = None) -> tuple[int, str]:
    """Return the child's status and what it wrote to descriptor 1."""
    reading, writing = os.pipe()
    pid = spawn(command, {1: writing, **(descriptors or {})})
    os.close(writing)
    with os.fdopen(reading) as pipe:
        told = pipe.read()
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), told


def test_its_status_is_the_programs() -> None:
    assert run(["/bin/sh", "-c", "exit 7"]) == (7, "")
    assert run(["sh", "-c", "echo found on PATH; kill -TERM $$"]) == (-signal.SIGTERM, "found on PATH\n")


def test_what_cannot_be_started_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")  # of which none is closed to us
    with pytest.raises(FileNotFoundError):
        spawn(["no-such-program-at-all"])
    with pytest.raises(PermissionError):
        spawn(["/"])


def test_no_signal_is_blocked_or_ignored_that_python_blocks_or_ignores() -> None:
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGUSR1})
    try:
        # A shell would keep what it was given; cat(1) tells what exec() gave it.
        status, told = run(["cat", "/proc/self/status"])
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
    assert status == 0
    fields = dict(line.split(":", 1) for line in told.splitlines())
    masks = {name: int(fields[name], 16) for name in ("SigBlk", "SigIgn")}
    assert masks["SigBlk"] == 0
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        assert not masks["SigIgn"] & 1 << (number - 1)


def test_it_gets_each_descriptor_under_its_number_and_no_other() -> None:
    reading, writing = os.pipe()
    os.write(writing, b"from the pipe\n")
    os.close(writing)
    try:
        _, usual = run(["/bin/sh", "-c", "ls /proc/self/fd | wc -l"])
        status, told = run(["/bin/sh", "-c", "cat <&7; ls /proc/self/fd | wc -l"], {7: reading})
    finally:
        os.close(reading)
    assert status == 0
    said, count = told.splitlines()
    assert said == "from the pipe"
    assert int(count) == int(usual) + 1


def test_it_is_in_our_group() -> None:
    status, told = run([sys.executable, "-ISc", "import os; print(os.getpgrp())"])
    assert (status, int(told)) == (0, os.getpgrp())
