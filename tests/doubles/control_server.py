"""A control server that does as the test says; it speaks the original part of the channel, or all of it."""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import attrs
import trio

from conductor_trio.net.stream import SocketStream
from conductor_trio.net.unix import connect_unix


@attrs.define(eq=False)
class Session:
    """One client's connection: its directory, and the registration once that has come."""

    directory: Path
    stream: SocketStream
    registration: dict[str, Any] = attrs.field(factory=dict)
    relay_mode: int = 0
    told: list[dict[str, Any]] = attrs.field(factory=list)  # the client's events, whole
    said: list[str] = attrs.field(factory=list)  # and their names
    heard: trio.Event = attrs.field(factory=trio.Event)  # set, and replaced, when `said` grows
    ended: trio.Event = attrs.field(factory=trio.Event)  # the connection is closed, and the directory gone

    async def say(self, event: str) -> None:
        """Send an event."""
        await self.send(event=event)

    async def send(self, **message: object) -> None:
        """Send a line, unless the connection is closed."""
        with contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            await self.stream.send_all(json.dumps(message).encode() + b"\n")

    async def wait_said(self, event: str) -> None:
        """Wait for an event of the client's."""
        with trio.fail_after(20):
            while event not in self.said:
                await self.heard.wait()

    async def wait_ended(self) -> None:
        """Wait until either side has closed the connection, and the directory is gone."""
        with trio.fail_after(20):
            await self.ended.wait()

    async def ask(self, message: bytes, *, ends: bool = True) -> bytes:
        """Send bytes, and an end, through the relay socket; return what the application answers until its end."""
        stream = await connect_unix(str(self.directory / "socket"), connect_timeout=5)
        with contextlib.closing(stream):
            await stream.send_all(message)
            if ends:
                await stream.send_eof()
            answer = b""
            while chunk := await stream.receive_some(65536):
                answer += chunk
            return answer


class ControlServer:
    """Listens on `path`; every session that has registered comes out of `registered`."""

    def __init__(self, directory: Path, *, extensions: Sequence[str] = ()) -> None:
        self._extensions = list(extensions)
        self.path = directory / "client"
        self._directory = directory
        self._count = 0
        self.sessions: list[Session] = []
        self.refusals: list[str] = []  # reasons with which the next registrations are refused
        self.told_key: str | None = None
        self._send, self.registered = trio.open_memory_channel[Session](100)

    async def next_session(self) -> Session:
        """Wait for a client to register."""
        with trio.fail_after(20):
            return await self.registered.receive()

    async def serve(self, listener: trio.SocketListener, nursery: trio.Nursery) -> None:
        """Accept until cancelled."""
        while True:
            accepted = await listener.accept()
            sock = socket.socket(fileno=accepted.socket.detach())
            nursery.start_soon(self._run_session, SocketStream(sock))

    async def _run_session(self, stream: SocketStream) -> None:
        self._count += 1
        session = Session(directory=self._directory / f"s{self._count}", stream=stream)
        session.directory.mkdir()
        self.sessions.append(session)
        with contextlib.closing(stream), contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            greeting: dict[str, object] = {"directory": str(session.directory), "status": "ok"}
            if self._extensions:
                greeting["extensions"] = self._extensions
            await stream.send_all(json.dumps(greeting).encode() + b"\n")
            line = b""
            while not line.endswith(b"\n"):
                if not (chunk := await stream.receive_some(4096)):
                    break
                line += chunk
            else:
                await self._answer(session, json.loads(line))
                # Like the original: any further line, and the end, closes the channel.
                while more := await stream.receive_some(4096):
                    if not (self._extensions and self._take_in(session, more)):
                        break
        self.sessions.remove(session)
        (session.directory / "socket").unlink(missing_ok=True)
        session.directory.rmdir()
        session.ended.set()

    def _take_in(self, session: Session, lines: bytes) -> bool:
        """Note events, which come whole, since they are short; False once the client leaves."""
        session.told += [json.loads(line) for line in lines.splitlines()]
        session.said = [told["event"] for told in session.told]
        session.heard.set()
        session.heard = trio.Event()
        return "leave" not in session.said

    async def _answer(self, session: Session, registration: dict[str, Any]) -> None:
        session.registration = registration
        session.relay_mode = (session.directory / "socket").lstat().st_mode
        reply: dict[str, object]
        if self.refusals:
            reply = {"status": "error", "reason": self.refusals.pop(0)}
        else:
            reply = {"status": "ok", "urls": [f"{registration.get('key', 'k1')}-me.localhost"]}
            if self.told_key is not None:
                reply["key"] = self.told_key
        await session.stream.send_all(json.dumps(reply).encode() + b"\n")
        if reply["status"] == "ok":
            self._send.send_nowait(session)


@contextlib.asynccontextmanager
async def open_control_server(directory: Path, *, extensions: Sequence[str] = ()) -> AsyncIterator[ControlServer]:
    """Run the server in a directory; on leaving, every session has ended and the socket is gone.

    It announces the extensions; their events are up to the test.
    """
    server = ControlServer(directory, extensions=extensions)
    with trio.socket.socket(socket.AF_UNIX) as sock:
        await sock.bind(str(server.path))
        server.path.chmod(0o777)
        sock.listen()
        try:
            async with trio.open_nursery() as nursery, trio.open_nursery() as accepting:
                accepting.start_soon(server.serve, trio.SocketListener(sock), nursery)
                yield server
                accepting.cancel_scope.cancel()
                for session in server.sessions:
                    session.stream.close()
        finally:
            server.path.unlink()
