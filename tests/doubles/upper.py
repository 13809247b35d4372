"""An application at a UNIX socket that answers with what it got, in capitals, and who asks it."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import trio

from conductor_trio.net.stream import SocketStream
from conductor_trio.net.unix import connect_unix


@contextlib.asynccontextmanager
async def open_upper(path: Path) -> AsyncIterator[None]:
    """Have an application listen that answers with what it got, in capitals, after its end."""

    async def serve(stream: trio.SocketStream) -> None:
        async with stream:
            with contextlib.suppress(trio.BrokenResourceError):
                await stream.send_all(b"".join([chunk async for chunk in stream]).upper())

    with trio.socket.socket(socket.AF_UNIX) as sock:
        await sock.bind(str(path))
        sock.listen()
        async with trio.open_nursery() as nursery:
            await nursery.start(trio.serve_listeners, serve, [trio.SocketListener(sock)])
            yield
            nursery.cancel_scope.cancel()
    path.unlink(missing_ok=True)


async def read_all(stream: SocketStream) -> bytes:
    """Return what comes before the connection is closed, or reset."""
    read = b""
    with contextlib.suppress(trio.BrokenResourceError):
        while chunk := await stream.receive_some(65536):
            read += chunk
    return read


async def ask(path: str, message: bytes) -> bytes:
    """Return what is answered to a message there, to its end."""
    with contextlib.closing(await connect_unix(path, connect_timeout=5)) as stream:
        with contextlib.suppress(trio.BrokenResourceError):
            await stream.send_all(message)
            await stream.send_eof()
        return await read_all(stream)
