"""Visitors who go away in the middle of everything.

::

    python -m scripts.soak.impatient PORT HOST REQUESTS SEED
"""

from __future__ import annotations

import random
import socket
import struct
import sys
from collections.abc import Awaitable, Callable

import trio

from scripts.bench.load import browser_headers
from scripts.bench.machine import LOOPBACK
from scripts.soak.application import LARGE_SIZE, PIECES, SMALL_BODY

_AT_ONCE = 24
_READ_SIZE = 65536
_PATIENCE = 30.0  # for an answer that must come
_RESET = struct.pack("ii", 1, 0)
_UPGRADE = (
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: MDEyMw==",
)


class WrongAnswer(Exception):
    """The gateway did not answer as it must."""


class Visitor:
    """One connection."""

    def __init__(self, stream: trio.SocketStream, host: str, dice: random.Random) -> None:
        self.stream = stream
        self.dice = dice
        self._host = host

    def request(self, method: str, target: str, *fields: str) -> bytes:
        """Return a request's head."""
        lines = [f"{method} {target} HTTP/1.1", *browser_headers(self._host), *fields, "", ""]
        return "\r\n".join(lines).encode()

    async def send(self, data: bytes) -> None:
        """Send, whether or not the gateway still reads."""
        await self.stream.send_all(data)

    async def send_part(self, data: bytes) -> None:
        """Send all but at least one byte."""
        await self.stream.send_all(data[: self.dice.randrange(1, len(data))])

    async def receive_some(self) -> None:
        """Read once, which may be the end."""
        await self.stream.receive_some(self.dice.choice([1, 1000, _READ_SIZE]))

    async def receive_rest(self, *, wanted: bytes) -> bytes:
        """Read to the end what begins with the wanted status."""
        answer = b""
        try:
            with trio.fail_after(_PATIENCE):
                while data := await self.stream.receive_some(_READ_SIZE):
                    answer += data
        except (trio.TooSlowError, trio.BrokenResourceError) as error:
            raise WrongAnswer(f"{wanted!r} was to come, and after {answer[:200]!r}: {error!r}") from error
        if not answer.startswith(b"HTTP/1.1 " + wanted):
            raise WrongAnswer(f"{wanted!r} was to come, and not {answer[:200]!r}")
        return answer

    async def go(self) -> None:
        """End the connection in one of three ways."""
        match self.dice.randrange(3):
            case 0:
                self.stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            case 1:
                await self.stream.send_eof()
        self.stream.socket.close()


async def _in_head(visitor: Visitor) -> None:
    await visitor.send_part(visitor.request("GET", "/small"))


async def _in_body(visitor: Visitor) -> None:
    await visitor.send(visitor.request("POST", "/small", "Content-Length: 100000"))
    await visitor.send_part(b"b" * 100_000)


async def _in_chunks(visitor: Visitor) -> None:
    await visitor.send(visitor.request("POST", "/small", "Transfer-Encoding: chunked"))
    await visitor.send_part(b"1000\r\n" + b"c" * 4096 + b"\r\n0\r\n\r\n")


async def _before_answer(visitor: Visitor) -> None:
    await visitor.send(visitor.request("GET", "/late"))
    await trio.sleep(visitor.dice.random() * 0.1)  # around the time at which the gateway begins to watch


async def _in_answer(visitor: Visitor) -> None:
    await visitor.send(visitor.request("GET", visitor.dice.choice(["/large", "/pieces"])))
    for _ in range(visitor.dice.randrange(4)):
        await visitor.receive_some()


async def _in_upload_without_reading(visitor: Visitor) -> None:
    await visitor.send(visitor.request("POST", "/large", "Content-Length: 100000") + b"b" * 100_000)


async def _between_requests(visitor: Visitor) -> None:
    await visitor.send(visitor.request("GET", "/small") * 3)
    await visitor.receive_some()


async def _in_tunnel(visitor: Visitor) -> None:
    await visitor.send(visitor.request("GET", "/echo", *_UPGRADE))
    await visitor.receive_some()
    for _ in range(visitor.dice.randrange(3)):
        await visitor.send(b"hello" * visitor.dice.randrange(1, 10_000))
        await visitor.receive_some()


async def _after_half_close(visitor: Visitor) -> None:
    """A visitor that has said everything still wants its answer."""
    await visitor.send(visitor.request("GET", "/small", "Connection: close"))
    await visitor.stream.send_eof()
    answer = await visitor.receive_rest(wanted=b"200 ")
    if not answer.endswith(SMALL_BODY):
        raise WrongAnswer(f"an answer was cut: {answer[-200:]!r}")


async def _after_half_head(visitor: Visitor) -> None:
    await visitor.send_part(visitor.request("GET", "/small"))
    await visitor.stream.send_eof()
    await visitor.receive_rest(wanted=b"400 ")


async def _after_whole_answer(visitor: Visitor) -> None:
    await visitor.send(visitor.request("GET", "/pieces", "Connection: close"))
    answer = await visitor.receive_rest(wanted=b"200 ")
    if not answer.endswith(b"0\r\n\r\n") or answer.count(b"p\r\n") < PIECES // 16:
        raise WrongAnswer(f"an answer was cut: {answer[-200:]!r}")


async def _after_cut_answer(visitor: Visitor) -> None:
    await visitor.send(visitor.request("GET", "/cut", "Connection: close"))
    answer = await visitor.receive_rest(wanted=b"200 ")
    if len(answer) >= LARGE_SIZE:
        raise WrongAnswer("an answer that broke off looks whole")


async def _after_refusal(visitor: Visitor) -> None:
    wrong, wanted = visitor.dice.choice(
        [
            (visitor.request("GET", "/gone", "Connection: close"), b"502 "),
            (b"GET / HTTP/1.1\r\nHost: nobody.localhost\r\nConnection: close\r\n\r\n", b"404 "),
            (visitor.request("POST", "/", "Content-Length: 1", "Transfer-Encoding: chunked"), b"400 "),
            (b"\x16\x03\x01 what is this\r\n\r\n", b"400 "),
        ]
    )
    await visitor.send(wrong)
    await visitor.receive_rest(wanted=wanted)


_WAYS: list[Callable[[Visitor], Awaitable[None]]] = [
    _in_head,
    _in_body,
    _in_chunks,
    _before_answer,
    _in_answer,
    _in_upload_without_reading,
    _between_requests,
    _in_tunnel,
    _after_half_close,
    _after_half_head,
    _after_whole_answer,
    _after_cut_answer,
    _after_refusal,
]


async def visit(port: int, host: str, count: int, seed: int) -> None:
    """Make that many connections, several at once, each of which ends in a way of its own."""
    dice = random.Random(seed)
    numbers = iter(range(count))

    async def go_on() -> None:
        for _ in numbers:
            stream = await trio.open_tcp_stream(LOOPBACK, port)
            visitor = Visitor(stream, host, dice)
            try:
                await dice.choice(_WAYS)(visitor)
                await visitor.go()
            except (trio.BrokenResourceError, OSError):  # the gateway was the first to go, as it may
                await trio.aclose_forcefully(stream)

    async with trio.open_nursery() as nursery:
        for _ in range(min(_AT_ONCE, count)):
            nursery.start_soon(go_on)


if __name__ == "__main__":
    try:
        trio.run(visit, int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
    except* WrongAnswer as group:
        sys.exit("\n".join(map(str, group.exceptions)))
