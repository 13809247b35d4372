"""A command at the gateway, run by the user's login shell there, whatever its start-up files do.

sshd has every command run by the login shell, and most shells read start-up files first. These may print, read
standard input, leave processes behind that hold the channel open, take long, or go on as another shell. So the
command has the path that it is about in its own words, and tells its result in a line of its own: neither does
anything else that is said count, nor when the channel ends. It also stands on standard input, for a shell that has
taken another's place.
"""

from __future__ import annotations

import os
import re

import attrs
import trio

from conductor_trio.client.transport.ssh_mux import MuxCommand
from conductor_trio.limits.client import ClientLimits
from conductor_trio.net.process import end_group, open_pipe

# Its two halves are joined by echo only, lest it be found where a shell shows what it runs (set -v).
_RESULT = re.compile(rb"conductor-trio: (\d+) ?([^\n]*)\n")
_PLAIN = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-")


@attrs.frozen(kw_only=True)
class Result:
    """What became of a command: its output's first line, or why it failed."""

    output: str = ""
    failure: str | None = None


def format_command(script: str, path: str) -> str:
    """Return the command that runs a script of sh(1) with ``$p`` for the path; no shell reads the latter."""
    # In single quotes, and without what csh (!) or fish (\\, \') would still see there: every login shell reads
    # that alike. sh adds a dot, since it cuts newlines off.
    encoded = "".join(chr(byte) if byte in _PLAIN else f"\\0{byte:03o}" for byte in os.fsencode(path))
    body = (
        f'p=$(printf %b "{encoded}."); p=${{p%.}}; export PATH="$PATH:/usr/bin:/bin"; '
        f'said=$({{ {script}; }} 2>&1); echo "conductor""-trio: $? $said"'
    )
    assert "'" not in body
    return f"/bin/sh -c '{body}'"


async def run_in_login_shell(ssh: MuxCommand, host: str, script: str, path: str, limits: ClientLimits) -> Result:
    """Run a script by `ssh`, a command over a connection that stands, as `format_command` says; raises OSError."""
    timeout = limits.login_shell_timeout
    with open_pipe() as (stdout, stdout_end), open_pipe() as (stderr, stderr_end):
        process = await _start(ssh, host, format_command(script, path), stdout_end, stderr_end)
        try:
            with trio.move_on_after(timeout):
                return await _wait_result(process, stdout, stderr, limits)
            return Result(failure=f"the login shell there has not done it within {timeout:g} s")
        finally:
            await end_group(process, term_timeout=limits.ssh_term_timeout, force_exit=trio.Event())  # noqa: ASYNC102


async def _start(ssh: MuxCommand, host: str, command: str, stdout: int, stderr: int) -> trio.Process:
    """Start ssh, which gets the descriptors as its own; raises OSError."""
    with open_pipe() as (stdin, stdin_end), os.fdopen(stdout, "wb") as out, os.fdopen(stderr, "wb") as err:
        with os.fdopen(stdin_end, "wb") as feed:
            feed.write(f"{command}\n".encode())  # a pipe holds far more than that
        os.set_blocking(stdin, True)
        return await trio.lowlevel.open_process(
            [*ssh.words, "--", host, command],
            stdin=stdin,
            stdout=out,
            stderr=err,
            cwd="/",  # whatever has become of ours
            pass_fds=ssh.descriptors,
            start_new_session=True,  # out of reach of a terminal's signals
        )


async def _wait_result(process: trio.Process, stdout: int, stderr: int, limits: ClientLimits) -> Result:
    said, errors = bytearray(), bytearray()
    async with trio.open_nursery() as nursery:

        async def collect() -> None:
            while await _read(stderr, errors, limits):
                pass

        nursery.start_soon(collect, name="login shell: standard error")
        found = await _find_result(stdout, said, limits)
        if found is not None:
            nursery.cancel_scope.cancel()
    if found is not None:
        return _read_result(found)
    status = await process.wait()
    return Result(failure=_last_line(errors) or _last_line(said) or f"exit status {status}")


async def _find_result(descriptor: int, said: bytearray, limits: ClientLimits) -> re.Match[bytes] | None:
    """Read until the result has come, and return it; None at the end without one."""
    while await _read(descriptor, said, limits):
        if found := _RESULT.search(said):
            return found
    return None


async def _read(descriptor: int, said: bytearray, limits: ClientLimits) -> bool:
    """Read what has come, and keep the last of it; False at the end."""
    await trio.lowlevel.wait_readable(descriptor)
    chunk = os.read(descriptor, limits.read_size)
    said += chunk
    del said[: -limits.max_ssh_line]
    return bool(chunk)


def _read_result(found: re.Match[bytes]) -> Result:
    status, output = int(found[1]), _clean(found[2])
    return Result(output=output) if status == 0 else Result(failure=output or f"exit status {status}")


def _last_line(said: bytearray) -> str:
    return next((text for line in reversed(said.splitlines()) if (text := _clean(line))), "")


def _clean(line: bytes | bytearray) -> str:
    """Return a line as it can be shown: others made it up."""
    return re.sub(r"[\x00-\x1f\x7f-\x9f]", " ", line.decode("utf-8", "replace")).strip()
