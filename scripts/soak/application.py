"""An application with moods: each path has its own way to answer. ``python -m scripts.soak.application SOCKET``"""

from __future__ import annotations

import re
import sys
from collections.abc import Awaitable, Callable, Mapping

import trio

from conductor_trio.net.listeners import open_unix_listener

SMALL_BODY = b"small but whole"
LARGE_SIZE = 1024 * 1024
PIECES = 64
PIECE = b"p" * 4096
BULK_SIZE = 64 * 1024 * 1024

_BLOCK = b"b" * (1024 * 1024)
_READ_SIZE = 256 * 1024
_LATE = 1.0  # seconds; longer than any visitor here waits
_LENGTH = re.compile(rb"\r\ncontent-length: *([0-9]+)", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding: *chunked", re.IGNORECASE)
_SMALL = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(SMALL_BODY), SMALL_BODY)
_LARGE = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % LARGE_SIZE + b"l" * LARGE_SIZE
_SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"


class _Ended(Exception):
    """This connection is over."""


async def _answer_small(stream: trio.SocketStream) -> None:
    await stream.send_all(_SMALL)


async def _answer_large(stream: trio.SocketStream) -> None:
    await stream.send_all(_LARGE)


async def _answer_in_bulk(stream: trio.SocketStream) -> None:
    await stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % BULK_SIZE)
    for _ in range(BULK_SIZE // len(_BLOCK)):
        await stream.send_all(_BLOCK)


async def _answer_in_pieces(stream: trio.SocketStream) -> None:
    await stream.send_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    for _ in range(PIECES):
        await stream.send_all(b"%x\r\n%s\r\n" % (len(PIECE), PIECE))
    await stream.send_all(b"0\r\n\r\n")


async def _answer_late(stream: trio.SocketStream) -> None:
    await trio.sleep(_LATE)
    await stream.send_all(_SMALL)


async def _break_off(stream: trio.SocketStream) -> None:
    await stream.send_all(_LARGE[: LARGE_SIZE // 2])
    raise _Ended


async def _say_nothing(stream: trio.SocketStream) -> None:
    raise _Ended


async def _echo(stream: trio.SocketStream) -> None:
    await stream.send_all(_SWITCH)
    while data := await stream.receive_some(_READ_SIZE):
        await stream.send_all(data)
    raise _Ended


_MOODS: Mapping[bytes, Callable[[trio.SocketStream], Awaitable[None]]] = {
    b"/small": _answer_small,
    b"/large": _answer_large,
    b"/bulk": _answer_in_bulk,
    b"/pieces": _answer_in_pieces,
    b"/late": _answer_late,
    b"/cut": _break_off,
    b"/gone": _say_nothing,
    b"/echo": _echo,
}


async def _receive(stream: trio.SocketStream) -> bytes:
    data = bytes(await stream.receive_some(_READ_SIZE))
    if not data:
        raise _Ended
    return data


async def _skip_body(stream: trio.SocketStream, head: bytes, body: bytes) -> None:
    """Read a request's body, of which `body` is here; the gateway sends one request at a time."""
    if length := _LENGTH.search(head):
        left = int(length[1]) - len(body)
        while left > 0:
            left -= len(await _receive(stream))
    elif _CHUNKED.search(head):
        while not body.endswith(b"0\r\n\r\n"):
            body = body[-5:] + await _receive(stream)


async def serve_application(stream: trio.SocketStream) -> None:
    """Answer requests until either side ends the connection."""
    try:
        while True:
            data = b""
            while b"\r\n\r\n" not in data:
                data += await _receive(stream)
            head, _, body = data.partition(b"\r\n\r\n")
            await _skip_body(stream, head, body)
            await _MOODS[head.split(b" ", 2)[1]](stream)
    except (_Ended, trio.BrokenResourceError):
        pass
    finally:
        await trio.aclose_forcefully(stream)


async def _serve(path: str) -> None:
    with open_unix_listener(path, 0o660) as sock:
        listener = trio.SocketListener(trio.socket.from_stdlib_socket(sock))
        await trio.serve_listeners(serve_application, [listener])


if __name__ == "__main__":
    trio.run(_serve, sys.argv[1])
