"""The mode of the relay socket, set to 0660 by a shell on the server's host.

sshd makes it 0600 unless its StreamLocalBindMask says otherwise; the control channel's contract wants 0660. The
shell tells what it found, so that the next relay socket needs none where sshd does it.
"""

from __future__ import annotations

import contextlib
import os
import re
import subprocess

import trio

from conductor_trio.client.output.reporter import Reporter
from conductor_trio.client.transport.ssh_log import SshLog
from conductor_trio.client.transport.ssh_mux import MuxCommand
from conductor_trio.limits.client import ClientLimits
from conductor_trio.net.process import end_process, open_pipe

# The path arrives as data, so that nothing in what the server named is read by a shell, and so that the login,
# 100 ms and more, runs while the control channel is being opened. What is here suits every login shell.
_COMMAND = """exec /bin/sh -c 'IFS= read -r path && { ls -ld "$path"; exec chmod 660 "$path"; }'"""

_OPEN = re.compile(rb"^srw-rw----", re.MULTILINE)  # a login shell may say something before


class RelayModeShell:
    """A shell on the server's host that waits for the path of one relay socket, to make it 0660."""

    def __init__(self, process: trio.Process, stdout: int, log: SshLog, limits: ClientLimits) -> None:
        self._process = process
        self._stdout = stdout
        self._log = log
        self._limits = limits
        #: Set once it is of no further use.
        self.done = trio.Event()
        #: Whether the socket was of that mode before, so that sshd makes them so.
        self.was_open = False

    @property
    def is_waiting(self) -> bool:
        """Whether the shell can still be used."""
        return not self.done.is_set() and self._process.poll() is None

    async def set_mode(self, path: str) -> str | None:
        """Set the mode of the socket; return what went wrong, or None. Once only."""
        assert self._process.stdin is not None
        timeout = self._limits.relay_mode_timeout
        try:
            with trio.move_on_after(timeout):
                with contextlib.suppress(trio.BrokenResourceError):  # then it has ended, and says why
                    await self._process.stdin.send_all(path.encode("utf-8", "surrogateescape") + b"\n")
                status = await self._process.wait()
                self._log.read_available()
                with contextlib.suppress(BlockingIOError):
                    self.was_open = _OPEN.search(os.read(self._stdout, self._limits.read_size)) is not None
                return None if status == 0 else (self._log.last_line or f"exit status {status}")
            return f"the login shell there has not done it within {timeout:g} s"
        finally:
            self.done.set()


async def run_relay_mode_shell(
    ssh: MuxCommand,
    host: str,
    reporter: Reporter,
    limits: ClientLimits,
    *,
    task_status: trio.TaskStatus[RelayModeShell],
) -> None:
    """Run the shell by `ssh`, a command over a connection that stands, until it has done its work.

    Raises OSError.
    """
    with open_pipe() as (stdout, stdout_end), open_pipe() as (stderr, stderr_end):
        with os.fdopen(stdout_end, "wb") as out, os.fdopen(stderr_end, "wb") as err:
            process = await trio.lowlevel.open_process(
                [*ssh.words, "--", host, _COMMAND],
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=err,
                cwd="/",  # whatever has become of ours
                pass_fds=ssh.descriptors,
                start_new_session=True,  # out of reach of a terminal's signals
            )
        assert process.stdin is not None
        try:
            shell = RelayModeShell(process, stdout, SshLog(stderr, reporter, limits), limits)
            task_status.started(shell)
            await shell.done.wait()
        finally:
            await end_process(process, term_timeout=limits.ssh_term_timeout)  # noqa: ASYNC102
            await trio.aclose_forcefully(process.stdin)
