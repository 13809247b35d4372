"""A server that is restarted: it hands its listeners over, ends while its parent keeps them, or is reloaded."""

from __future__ import annotations

import contextlib
import enum
import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any

import trio

from conductor_trio.control.lines import LineReader
from conductor_trio.limits.constants import LISTEN_BACKLOG
from conductor_trio.net.kernel import F_DUPFD_CLOEXEC, pidfd_open, pidfd_send_signal

LOOPBACK = "127.0.0.1"
PATIENCE = 60.0
_MAX_LINE = 1 << 20

# Becomes the server, with listeners at the descriptors where sd_listen_fds(3) looks for them.
_INHERIT = """
import os, sys
count, command = int(sys.argv[1]), sys.argv[2 + int(sys.argv[1]):]
for target, source in enumerate(sys.argv[2 : 2 + count], 3):
    os.dup2(int(source), target)
os.environ.update(LISTEN_FDS=str(count), LISTEN_PID=str(os.getpid()))
os.execv(command[0], command)
"""
_HIGH = 20  # above those, so that none is overwritten before it has been moved


class How(enum.Enum):
    """How the server is restarted."""

    HANDOVER = "handed over (SIGHUP)"
    INHERITED = "inherited (SIGTERM, LISTEN_FDS)"
    RELOADED = "reloaded, each time with a wrong file first (`reload`)"


class GatewayError(Exception):
    """The server does not start; str() is a line for people."""


def inheriting(descriptors: Sequence[int], command: Sequence[str | Path]) -> list[str]:
    """Return a command that becomes `command`, which finds these listeners as sd_listen_fds(3) says.

    They are numbers above the targets', inherited by the command.
    """
    numbers = [str(len(descriptors)), *map(str, descriptors)]
    return [sys.executable, "-ISc", _INHERIT, *numbers, *map(str, command)]


def own_program(name: str) -> str:
    """Return the path of one of our programs, installed beside this interpreter."""
    return str(Path(sys.executable).with_name(name))


class Gateway:
    """One server after the other; `open_gateway` starts the first and ends the last."""

    def __init__(
        self,
        runtime: Path,
        listeners: Sequence[socket.socket],
        stderr: int,
        nursery: trio.Nursery,
        file: Path | None = None,
    ) -> None:
        self.runtime = runtime
        self._file = file
        self._nursery = nursery
        self._listeners = listeners
        self._stderr = stderr
        self._log: list[dict[str, Any]] = []
        self._said = trio.lowlevel.ParkingLot()
        self._is_over = False

    @property
    def control_socket(self) -> Path:
        """Where clients connect."""
        return self.runtime / "client"

    @property
    def port(self) -> int:
        """Where visitors connect."""
        return int(self._now["addresses"][0][1])

    @property
    def pid(self) -> int:
        """The process that serves now."""
        return int(self._now["pid"])

    @property
    def log(self) -> list[dict[str, Any]]:
        """What all servers have logged so far."""
        return self._log

    @property
    def _now(self) -> dict[str, Any]:
        return self._listening[-1]

    @property
    def _listening(self) -> list[dict[str, Any]]:
        return [entry for entry in self._log if entry["event"] == "listening"]

    async def start(self) -> None:
        """Start a server that inherits the listeners, if there are any."""
        pattern = "{key}-{user}.localhost"
        command = [own_program("conductor-trio-server"), "-p", "0", "-r", str(self.runtime), "-d", pattern]
        if self._file is not None:
            self._file.write_text("max_user_sessions = 100\n")
            command += ["--config", str(self._file)]
        descriptors = [listener.fileno() for listener in self._listeners]
        if descriptors:
            command = inheriting(descriptors, command)
        started = len(self._listening)
        process = await trio.lowlevel.open_process(
            command, stdin=subprocess.DEVNULL, stderr=self._stderr, pass_fds=descriptors, start_new_session=True
        )
        self._nursery.start_soon(process.wait)
        await self._wait_listening(started)

    async def restart(self) -> None:
        """Have another server serve in this one's place; what this one has begun may still go on."""
        if self._listeners:
            await self.end()
            await self.start()
        elif self._file is not None:
            await self._reload(self._file)
        else:
            started = len(self._listening)
            os.kill(self.pid, signal.SIGHUP)
            await self._wait_listening(started)

    async def _reload(self, file: Path) -> None:
        """Have a file applied that is wrong, which changes nothing, and then another one."""
        started = len(self._listening)
        command = [own_program("conductor-trio-server"), "reload", "-r", str(self.runtime)]
        for text, expected in (("prot = 1\n", 2), (f"max_user_sessions = {100 + started}\n", 0)):
            file.write_text(text)  # noqa: ASYNC240
            done = await trio.run_process(command, check=False, capture_stdout=True, capture_stderr=True)
            if done.returncode != expected:
                raise GatewayError(f"reload ended with {done.returncode}: {done.stderr.decode()}")
            if len(self._listening) > started and expected:
                raise GatewayError("a wrong file was applied")
        await self._wait_listening(started)

    def is_expected(self, entry: dict[str, Any]) -> bool:
        """Whether a line of the log is about the mistake that we made."""
        return self._file is not None and f"{self._file}:1: prot: " in str(entry)

    async def end(self) -> None:
        """The server that serves now has been asked to end, and has ended."""
        try:
            pidfd = pidfd_open(self.pid)
        except ProcessLookupError:  # which the log tells of
            return
        try:
            pidfd_send_signal(pidfd, signal.SIGTERM)
            with trio.fail_after(PATIENCE):
                await trio.lowlevel.wait_readable(pidfd)
        finally:
            os.close(pidfd)

    async def read_log(self, stream: trio.abc.ReceiveStream) -> None:
        """Take in what the servers say, until none of them is left."""
        lines = LineReader(_MAX_LINE)
        async for chunk in stream:
            lines.receive_data(bytes(chunk))
            while (line := lines.next_event()) is not None:
                is_entry = line.startswith(b"{")
                self._log.append(json.loads(line) if is_entry else {"event": "said", "text": line.decode()})
                self._said.unpark_all()
        self._is_over = True
        self._said.unpark_all()

    async def _wait_listening(self, before: int) -> None:
        with trio.move_on_after(PATIENCE):
            while len(self._listening) <= before and not self._is_over:
                await self._said.park()
        if len(self._listening) <= before:
            raise GatewayError(f"the server does not start: {self._log[-3:]}")


@contextlib.asynccontextmanager
async def open_gateway(directory: Path, how: How) -> AsyncIterator[Gateway]:
    """Run a server in a directory of ours; on leaving, all servers have ended."""
    with contextlib.ExitStack() as stack:
        runtime = directory / "run"
        runtime.mkdir(mode=0o755)
        listeners = list(_listen(runtime, stack)) if how is How.INHERITED else []
        reading_end, writing_end = os.pipe()
        stack.callback(os.close, writing_end)
        async with trio.lowlevel.FdStream(reading_end) as stream, trio.open_nursery() as nursery:
            file = directory / "server.toml" if how is How.RELOADED else None
            gateway = Gateway(runtime, listeners, writing_end, nursery, file)
            nursery.start_soon(gateway.read_log, stream)
            await gateway.start()
            try:
                yield gateway
            finally:
                with trio.CancelScope(shield=True, deadline=trio.current_time() + PATIENCE):
                    await gateway.end()
                stack.close()
                nursery.cancel_scope.deadline = trio.current_time() + PATIENCE  # for those that are replaced


def _listen(runtime: Path, stack: contextlib.ExitStack) -> Iterator[socket.socket]:
    """Listen as a service manager does, for visitors and for clients."""
    public = stack.enter_context(socket.create_server((LOOPBACK, 0), backlog=LISTEN_BACKLOG))
    control = stack.enter_context(socket.socket(socket.AF_UNIX))
    control.bind(str(runtime / "client"))
    (runtime / "client").chmod(0o777)
    control.listen(LISTEN_BACKLOG)
    for listener in (public, control):
        yield stack.enter_context(socket.socket(fileno=lifted(listener)))


def lifted(sock: socket.socket) -> int:
    """Return another descriptor of a socket, above those at which `inheriting` puts them; the caller closes it."""
    return fcntl.fcntl(sock, F_DUPFD_CLOEXEC, _HIGH)
