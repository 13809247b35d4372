"""A shell on the server's host that opens the relay socket to the server's group.

sshd makes it 0600 unless its StreamLocalBindMask says otherwise; the control channel's contract wants 0660.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import AsyncIterator, Sequence

import trio

from conductor_trio.client.sshlog import SshLog
from conductor_trio.net.process import end_process, open_pipe

# The path arrives as data, so that nothing in what the server named is read by a shell, and so that the login,
# 100 ms and more, runs while the control channel is being opened. What is here suits every login shell.
_COMMAND = """exec /bin/sh -c 'IFS= read -r path && exec chmod 660 "$path"'"""


class ModeSetter:
    """The shell, waiting for the path."""

    def __init__(self, process: trio.Process, log: SshLog, timeout: float) -> None:
        self._process = process
        self._log = log
        self._timeout = timeout

    async def set_mode(self, path: str) -> str | None:
        """Set the mode of the socket; return what went wrong, or None."""
        assert self._process.stdin is not None
        with trio.move_on_after(self._timeout):
            with contextlib.suppress(trio.BrokenResourceError):  # then it has ended, and says why
                await self._process.stdin.send_all(path.encode("utf-8", "surrogateescape") + b"\n")
            status = await self._process.wait()
            self._log.read_available()
            return None if status == 0 else (self._log.last_line or f"exit status {status}")
        return f"no end within {self._timeout:g} s"


@contextlib.asynccontextmanager
async def open_mode_setter(ssh: Sequence[str], host: str, timeout: float) -> AsyncIterator[ModeSetter]:
    """Start the shell by `ssh`, a command over a connection that stands; it is gone on leaving. Raises OSError."""
    with open_pipe() as (stderr, stderr_end):
        with os.fdopen(stderr_end, "wb") as pipe:
            process = await trio.lowlevel.open_process(
                [*ssh, "--", host, _COMMAND],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=pipe,
                start_new_session=True,  # out of reach of a terminal's signals
            )
        assert process.stdin is not None
        try:
            yield ModeSetter(process, SshLog(stderr), timeout)
        finally:
            await end_process(process, term_timeout=1)  # noqa: ASYNC102
            await trio.aclose_forcefully(process.stdin)
