"""The exit statuses that the contract and other programs know."""

from __future__ import annotations

import signal
import subprocess

from conductor_trio import exit_status


def test_the_contracts() -> None:
    assert (exit_status.OK, exit_status.FAILED, exit_status.SOCKET_IN_USE, exit_status.WRONG_USAGE) == (0, 1, 2, 2)


def test_those_of_a_shell() -> None:
    def run(script: str) -> int:
        return subprocess.run(["/bin/sh", "-c", script], stderr=subprocess.DEVNULL, check=False).returncode

    assert run("/no/such/program") == exit_status.NOT_FOUND
    assert run("/etc/passwd") == exit_status.NOT_EXECUTABLE
    assert run("sh -c 'kill -TERM $$'; exit $?") == exit_status.SIGNAL + signal.SIGTERM
    assert exit_status.INTERRUPTED == exit_status.SIGNAL + signal.SIGINT
