"""A successor that the running server starts itself, on SIGHUP: a new version, or the same with new files."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping

import trio

from conductor_trio.limits.constants import KILL_TIMEOUT, SUCCESSOR_TERM_TIMEOUT
from conductor_trio.limits.server import ServerLimits
from conductor_trio.net.kernel import pidfd_open, pidfd_send_signal
from conductor_trio.server.operation.succession import succession_environment

_TAKE_OVER_OPTION = "--take-over"


async def run_successor(
    limits: ServerLimits, report: int, in_force: Mapping[str, object], is_handed: Callable[[], bool]
) -> str:
    """Start a successor with our own command line, which asks for our listeners; ended unless it got them.

    Returns why it did not come to that, as far as we know; what it has to say of it goes to `report`, the writing
    end of a pipe, and to our standard error. Cancelled once it has got them.
    """
    try:
        pidfd = await _start_successor(report, in_force)
    except (OSError, ValueError, subprocess.CalledProcessError) as error:
        return getattr(error, "strerror", None) or str(error)
    try:
        with trio.move_on_after(limits.upgrade_timeout):
            await trio.lowlevel.wait_readable(pidfd)  # it has ended (pidfd_open(2))
            return "the new server ended before it was ready; its words are above"
        return "the new server is not ready in time"
    finally:
        if not is_handed():
            await _end(pidfd)  # noqa: ASYNC102
        os.close(pidfd)


# The service manager has to become its parent, since it does not wait for the end of anybody else's child. So
# whoever starts it ends.
_START = """
import subprocess, sys
report, *command = sys.argv[1:]
print(subprocess.Popen(command, stdout=sys.stderr, pass_fds=[int(report)]).pid)
"""


async def _start_successor(report: int, in_force: Mapping[str, object]) -> int:
    """Return a pidfd of a server with our own command line, and whatever is installed now."""
    if os.getpid() == 1:
        raise ValueError("the end of process 1 is that of its container; restart that")
    command = [sys.executable, *sys.orig_argv[1:]]
    if _TAKE_OVER_OPTION not in command:
        command.append(_TAKE_OVER_OPTION)
    environment = os.environ | succession_environment(report, in_force)
    start = [sys.executable, "-ISc", _START, str(report), *command]
    done = await trio.run_process(start, capture_stdout=True, env=environment, pass_fds=(report,))
    return pidfd_open(int(done.stdout))


async def _end(pidfd: int) -> None:
    """The process has ended: SIGTERM, and SIGKILL after a grace. Cancelled or not."""
    with (
        trio.CancelScope(shield=True, deadline=trio.current_time() + SUCCESSOR_TERM_TIMEOUT + KILL_TIMEOUT),
        contextlib.suppress(ProcessLookupError),
    ):
        pidfd_send_signal(pidfd, signal.SIGTERM)
        with trio.move_on_after(SUCCESSOR_TERM_TIMEOUT):
            await trio.lowlevel.wait_readable(pidfd)
            return
        pidfd_send_signal(pidfd, signal.SIGKILL)
        await trio.lowlevel.wait_readable(pidfd)
