"""An application on a UNIX socket that says exactly what it is told to, and remembers exactly what it was sent.

::

    async with open_origin(path, answering(b"HTTP/1.1 204 No Content\r\n\r\n")) as origin:
        ...
        assert origin.connections[0].received.startswith(b"GET / HTTP/1.1\r\n")
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import attrs
import trio

from conductor_trio.net.listeners import open_unix_listener, serve_connections
from conductor_trio.net.stream import SocketStream


@attrs.define(eq=False)
class OriginConnection:
    """One connection: `received` is all that was read from it, `unread` what no wait has returned."""

    stream: SocketStream
    sock: socket.socket  # that of the stream, for what no stream does
    received: bytearray = attrs.field(factory=bytearray)
    unread: bytearray = attrs.field(factory=bytearray)
    #: Set once the peer has ended or broken its direction, as far as the handler has read.
    ended: trio.Event = attrs.field(factory=trio.Event)

    async def receive_more(self) -> bool:
        """Read once; False where the peer has ended its direction."""
        try:
            data = await self.stream.receive_some(65536)
        except trio.BrokenResourceError:
            self.ended.set()
            raise
        if not data:
            self.ended.set()
        self.received += data
        self.unread += data
        return bool(data)

    def take(self, count: int) -> bytes:
        """Return that many of the unread bytes, which are read with this."""
        taken = bytes(self.unread[:count])
        del self.unread[:count]
        return taken

    async def receive_until(self, mark: bytes) -> bytes:
        """Return the bytes up to the mark and with it; b"" where the peer ended first."""
        while (at := self.unread.find(mark)) < 0:
            if not await self.receive_more():
                return b""
        return self.take(at + len(mark))

    async def receive_head(self) -> bytes:
        """Return the bytes of a request's head, up to its empty line; b"" where the peer ended first."""
        return await self.receive_until(b"\r\n\r\n")

    async def receive_exactly(self, count: int) -> bytes:
        """Return that many bytes, or fewer where the peer ended first."""
        while len(self.unread) < count and await self.receive_more():
            pass
        return self.take(count)

    async def receive_to_end(self) -> bytes:
        """Return all bytes until the peer ends its direction."""
        while await self.receive_more():
            pass
        return self.take(len(self.unread))

    async def send_all(self, data: bytes) -> None:
        """Send these bytes as they are."""
        await self.stream.send_all(data)

    async def send_eof(self) -> None:
        """End our direction only."""
        await self.stream.send_eof()

    def reset(self) -> None:
        """Break the connection."""
        self.stream.reset()


OriginHandler = Callable[[OriginConnection], Awaitable[None]]


@attrs.define(eq=False)
class Origin:
    """The application: its socket's path and every connection so far, in the order in which they came."""

    path: str
    connections: list[OriginConnection] = attrs.field(factory=list)
    _arrivals: trio.lowlevel.ParkingLot = attrs.field(factory=trio.lowlevel.ParkingLot)

    async def wait_connections(self, count: int = 1) -> None:
        """Return once that many connections have come in all."""
        while len(self.connections) < count:
            await self._arrivals.park()

    async def serve(self, handler: OriginHandler, sock: socket.socket, _: str) -> None:
        """Serve one connection."""
        stream = SocketStream(sock)
        try:
            connection = OriginConnection(stream=stream, sock=sock)
            self.connections.append(connection)
            self._arrivals.unpark_all()
            # The peer may break off when it likes, and a handler may break the connection itself.
            with contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError):
                await handler(connection)
        finally:
            stream.close()


@asynccontextmanager
async def open_origin(path: str | Path, handler: OriginHandler, *, mode: int = 0o660) -> AsyncIterator[Origin]:
    """Serve connections to a UNIX socket with `handler` while the block runs; it closes each when it returns.

    What a handler raises, an assertion say, comes out of the block.
    """
    origin = Origin(path=os.fspath(path))
    with open_unix_listener(origin.path, mode) as listener:
        async with trio.open_nursery() as nursery:
            serve = partial(serve_connections, listener, partial(origin.serve, handler), nursery)
            nursery.start_soon(partial(serve, on_shortage=_give_up))  # noqa: ASYNC113
            yield origin
            nursery.cancel_scope.cancel()


def _give_up(shortage: OSError) -> None:
    raise shortage


def answering(*answers: bytes, close: bool = True) -> OriginHandler:
    """Return a handler that sends the n-th answer, as it is, to the n-th request head of a connection.

    It reads no bodies; an answer may hold several messages. Afterwards it closes, or else reads to the end.
    """

    async def handle(connection: OriginConnection) -> None:
        for answer in answers:
            if not await connection.receive_head():
                return
            await connection.send_all(answer)
        if not close:
            await connection.receive_to_end()

    return handle


async def echo(connection: OriginConnection) -> None:
    """Send back all that comes, and end when it ends."""
    while await connection.receive_more():
        await connection.send_all(connection.take(len(connection.unread)))
