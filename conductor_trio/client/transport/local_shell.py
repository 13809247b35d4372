"""The shell that ssh runs its LocalCommand, ProxyCommand and the like with: $SHELL, if this host has it."""

from __future__ import annotations

import os
import subprocess

import trio

from conductor_trio.limits.client import ClientLimits

_STANDARD_SHELL = "/bin/sh"
_WORD = b"conductor-trio: a shell"


async def find_shell(limits: ClientLimits) -> str:
    """Return the path of $SHELL if it runs commands here, or else of the standard shell.

    A job's environment may come from another host, and an account may have `/bin/false`. Without a shell, ssh does
    not run the command that tells us of the login.
    """
    shell = os.environ.get("SHELL", "")
    if not os.path.isabs(shell):  # ssh does not search PATH for it
        return _STANDARD_SHELL
    with trio.move_on_after(limits.shell_timeout):
        try:
            result = await trio.run_process(
                [shell, "-c", f"echo '{_WORD.decode()}'"],
                stdin=b"",
                capture_stdout=True,
                stderr=subprocess.DEVNULL,
                check=False,
                deliver_cancel=_kill,
                cwd="/",  # whatever has become of ours
                start_new_session=True,  # out of reach of a terminal's signals
            )
        except OSError:
            return _STANDARD_SHELL
        if _WORD in result.stdout:
            return shell
    return _STANDARD_SHELL


async def _kill(process: trio.Process) -> None:
    process.kill()
