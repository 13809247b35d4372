"""An application that echoes WebSocket messages on one UNIX socket, reads uploads on another, is slow on a third.

::

    python -m scripts.bench.streams WEBSOCKET UPLOAD SLOW
"""

from __future__ import annotations

import contextlib
import re
import sys
from collections.abc import Sequence

import trio
from trio_websocket import ConnectionClosed, HandshakeError, wrap_server_stream

from conductor_trio.net.listeners import open_unix_listener

_READ_SIZE = 1024 * 1024
_MODE = 0o660
_THINKING_TIME = 2.0
_LENGTH = re.compile(rb"\r\ncontent-length: *([0-9]+)\r\n", re.IGNORECASE)


async def echo(stream: trio.SocketStream) -> None:
    """Send each message back until the connection closes."""
    async with trio.open_nursery() as nursery:
        try:
            connection = await (await wrap_server_stream(nursery, stream)).accept()
            while True:
                await connection.send_message(await connection.get_message())
        except (ConnectionClosed, HandshakeError):  # the latter: a probe that only connects
            nursery.cancel_scope.cancel()
    await trio.aclose_forcefully(stream)


async def swallow(stream: trio.SocketStream) -> None:
    """Read the bodies of requests, one after the other, and answer each when all of it is here."""
    buffer = memoryview(bytearray(_READ_SIZE))
    head = b""
    try:
        while chunk := await stream.receive_some(_READ_SIZE):
            head += chunk
            if b"\r\n\r\n" not in head:
                continue
            head, _, body = head.partition(b"\r\n\r\n")
            length = _LENGTH.search(head + b"\r\n")
            if length is None:
                await stream.send_all(b"HTTP/1.1 411 Length Required\r\nContent-Length: 0\r\n\r\n")
                return
            missing = int(length[1]) - len(body)
            while missing > 0 and (size := await stream.socket.recv_into(buffer[: min(missing, _READ_SIZE)])):
                missing -= size
            if missing == 0:
                await stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            head = b""
    except (trio.BrokenResourceError, OSError):
        pass
    finally:
        await stream.aclose()


async def ponder(stream: trio.SocketStream) -> None:
    """Answer each request late; one comes in one piece, and the next after the answer."""
    try:
        while await stream.receive_some(_READ_SIZE):
            await trio.sleep(_THINKING_TIME)
            await stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    except (trio.BrokenResourceError, OSError):
        pass
    finally:
        await stream.aclose()


def _stream_listener(sock: object) -> trio.SocketListener:
    return trio.SocketListener(trio.socket.from_stdlib_socket(sock))  # type: ignore[arg-type]


async def serve(paths: Sequence[str]) -> None:
    """Serve all until cancelled."""
    with contextlib.ExitStack() as stack:
        async with trio.open_nursery() as nursery:
            for path, handler in zip(paths, (echo, swallow, ponder), strict=True):
                listener = stack.enter_context(open_unix_listener(path, _MODE))
                nursery.start_soon(trio.serve_listeners, handler, [_stream_listener(listener)])


if __name__ == "__main__":
    trio.run(serve, sys.argv[1:])
