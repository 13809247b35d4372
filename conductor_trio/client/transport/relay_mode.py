"""A shell on the server's host that opens a relay socket to the server's group.

sshd makes it 0600 unless its StreamLocalBindMask says otherwise; the control channel's contract wants 0660. The
shell tells what it found, so that the next relay socket needs none where sshd does it.
"""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
from collections.abc import Sequence

import trio

from conductor_trio.client.transport.ssh_log import SshLog
from conductor_trio.limits import ClientLimits
from conductor_trio.net.process import end_process, open_pipe

# The path arrives as data, so that nothing in what the server named is read by a shell, and so that the login,
# 100 ms and more, runs while the control channel is being opened. What is here suits every login shell.
_COMMAND = """exec /bin/sh -c 'IFS= read -r path && { ls -ld "$path"; exec chmod 660 "$path"; }'"""

_OPEN = re.compile(rb"^srw-rw----", re.MULTILINE)  # a login shell may say something before
_MAX_SAID = 65536


class ModeSetter:
    """The shell, waiting for the path of one socket."""

    def __init__(self, process: trio.Process, stdout: int, log: SshLog, timeout: float) -> None:
        self._process = process
        self._stdout = stdout
        self._log = log
        self._timeout = timeout
        #: Set once it is of no further use.
        self.done = trio.Event()
        #: Whether the socket was of that mode before, so that sshd makes them so.
        self.was_open = False

    @property
    def is_waiting(self) -> bool:
        """Whether it can still be used."""
        return not self.done.is_set() and self._process.poll() is None

    async def set_mode(self, path: str) -> str | None:
        """Set the mode of the socket; return what went wrong, or None. Once only."""
        assert self._process.stdin is not None
        try:
            with trio.move_on_after(self._timeout):
                with contextlib.suppress(trio.BrokenResourceError):  # then it has ended, and says why
                    await self._process.stdin.send_all(path.encode("utf-8", "surrogateescape") + b"\n")
                status = await self._process.wait()
                self._log.read_available()
                with contextlib.suppress(BlockingIOError):
                    self.was_open = _OPEN.search(os.read(self._stdout, _MAX_SAID)) is not None
                return None if status == 0 else (self._log.last_line or f"exit status {status}")
            return f"no end within {self._timeout:g} s"
        finally:
            self.done.set()


async def run_mode_setter(
    ssh: Sequence[str], host: str, limits: ClientLimits, *, task_status: trio.TaskStatus[ModeSetter]
) -> None:
    """Run the shell by `ssh`, a command over a connection that stands, until it has done its work.

    Raises OSError.
    """
    with open_pipe() as (stdout, stdout_end), open_pipe() as (stderr, stderr_end):
        with os.fdopen(stdout_end, "wb") as out, os.fdopen(stderr_end, "wb") as err:
            process = await trio.lowlevel.open_process(
                [*ssh, "--", host, _COMMAND],
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=err,
                start_new_session=True,  # out of reach of a terminal's signals
            )
        assert process.stdin is not None
        try:
            setter = ModeSetter(process, stdout, SshLog(stderr), limits.ssh_command_timeout)
            task_status.started(setter)
            await setter.done.wait()
        finally:
            await end_process(process, term_timeout=1)  # noqa: ASYNC102
            await trio.aclose_forcefully(process.stdin)
