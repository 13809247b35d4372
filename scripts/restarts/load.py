"""Visitors that ask at a steady rate, whatever becomes of the answers, and the application that answers them."""

from __future__ import annotations

import select
import socket
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing
from functools import partial
from pathlib import Path

import attrs
import trio

from conductor_trio.net.listeners import open_unix_listener, serve_connections
from scripts.restarts.gateway import LOOPBACK

PAGE = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 6\r\n\r\nhello\n"
_HEAD_END = b"\r\n\r\n"
_MAX_WAIT = 30.0  # what takes longer has failed
_READ_SIZE = 65536


class _Failed(Exception):
    """A request that was not answered as it should be; str() says how."""


@attrs.define
class Tally:
    """What became of the requests; times in seconds."""

    waits: list[float] = attrs.field(factory=list)
    failures: Counter[str] = attrs.field(factory=Counter)
    repeated: int = 0  #: sent once more, as browsers do, since a kept connection was closed before any answer

    @property
    def failed(self) -> int:
        """How many requests were not answered by the application."""
        return self.failures.total()


class Visitor:
    """Asks one application; every other request comes over a connection that is kept, as a browser's."""

    def __init__(self, address: int | Path, host: str, token: str, tally: Tally) -> None:
        self._address = address
        self._head = f"GET /page HTTP/1.1\r\nHost: {host}\r\nCookie: authorization={token}\r\n".encode()
        self._tally = tally
        self._kept: list[trio.SocketStream] = []

    async def ask(self, scheduled: float, *, keeps: bool) -> None:
        """Send a request that was due at a time, and count what becomes of it."""
        try:
            with trio.fail_after(_MAX_WAIT):
                await (self._ask_kept() if keeps else self._ask_alone())
        except trio.TooSlowError:
            self._tally.failures[f"no answer within {_MAX_WAIT:.0f} s"] += 1
        except (_Failed, OSError, trio.BrokenResourceError) as error:
            self._tally.failures[f"{type(error).__name__} {error}"] += 1
        else:
            self._tally.waits.append(time.perf_counter() - scheduled)

    async def aclose(self) -> None:
        """Close the kept connections."""
        for stream in self._kept:
            await stream.aclose()

    async def _ask_alone(self) -> None:
        async with await self._connect() as stream:
            await self._exchange(stream, b"Connection: close\r\n")

    async def _ask_kept(self) -> None:
        while self._kept:
            stream = self._kept.pop()
            if _is_closed(stream):
                await stream.aclose()
                continue
            try:
                await self._exchange_and_keep(stream)
            except _Silence:
                self._tally.repeated += 1
            else:
                return
        await self._exchange_and_keep(await self._connect())

    async def _connect(self) -> trio.SocketStream:
        if isinstance(self._address, int):
            return await trio.open_tcp_stream(LOOPBACK, self._address)
        return await trio.open_unix_socket(str(self._address))

    async def _exchange_and_keep(self, stream: trio.SocketStream) -> None:
        try:
            keeps = await self._exchange(stream, b"")
        except BaseException:
            await trio.aclose_forcefully(stream)
            raise
        if keeps:
            self._kept.append(stream)
        else:
            await stream.aclose()

    async def _exchange(self, stream: trio.SocketStream, fields: bytes) -> bool:
        """Ask, and return whether the connection is kept."""
        answer = b""
        try:
            await stream.send_all(self._head + fields + b"\r\n")
            while not answer.endswith(b"\r\n\r\nhello\n"):
                chunk = await stream.receive_some(_READ_SIZE)
                if not chunk:
                    break
                answer += bytes(chunk)
        except trio.BrokenResourceError:
            pass
        if not answer:
            raise _Silence("closed without an answer")
        head, _, body = answer.partition(_HEAD_END)
        if not head.startswith(b"HTTP/1.1 200 ") or body != b"hello\n":
            raise _Failed(head.partition(b"\r\n")[0].decode(errors="replace"))
        return b"\r\nconnection: close" not in head.lower()


def _is_closed(stream: trio.SocketStream) -> bool:
    """Whether the server has closed a connection on which nothing is under way."""
    poll = select.poll()
    poll.register(stream.socket.fileno(), select.POLLIN)
    return bool(poll.poll(0))


class _Silence(_Failed):
    """The connection was closed before any answer."""


async def run_load(visitors: Sequence[Visitor], rate: float) -> None:
    """Have each visitor ask in turn, so many requests a second together, until cancelled."""
    begun = time.perf_counter()
    count = 0
    async with trio.open_nursery() as nursery:
        while True:
            scheduled = begun + count / rate
            await trio.sleep(max(0.0, scheduled - time.perf_counter()))
            visitor = visitors[count % len(visitors)]
            keeps = count // len(visitors) % 2 == 0
            nursery.start_soon(partial(visitor.ask, scheduled, keeps=keeps))
            count += 1


@asynccontextmanager
async def open_application(path: Path) -> AsyncIterator[None]:
    """Answer at a UNIX socket with one page, to all."""
    with open_unix_listener(str(path), 0o660) as listener:
        async with trio.open_nursery() as nursery:
            accept = partial(serve_connections, on_shortage=_give_up)
            nursery.start_soon(accept, listener, _serve_page, nursery)
            yield
            nursery.cancel_scope.cancel()


async def _serve_page(sock: socket.socket, _: str) -> None:
    with closing(sock):
        sock.setblocking(False)
        stream = trio.SocketStream(trio.socket.from_stdlib_socket(sock))
        received = b""
        try:
            while chunk := await stream.receive_some(_READ_SIZE):
                received += bytes(chunk)
                while _HEAD_END in received:
                    received = received.partition(_HEAD_END)[2]
                    await stream.send_all(PAGE)
        except trio.BrokenResourceError:
            pass


def _give_up(shortage: OSError) -> None:
    raise shortage
