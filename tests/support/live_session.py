"""A session at a server that runs as a process, its client and its application in this one."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing

import trio

from tests.doubles.origin import OriginConnection, OriginHandler, open_origin
from tests.support.programs import PATIENCE, Server
from tests.support.session_bench import LABEL, Client

HOST = f"app-{LABEL}.localhost"
TOKEN = "token"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
REQUEST = f"GET / HTTP/1.1\r\nHost: {HOST}\r\nCookie: authorization={TOKEN}\r\n\r\n".encode()


@asynccontextmanager
async def open_session(server: Server, handler: OriginHandler, **fields: object) -> AsyncIterator[Client]:
    """Offer an application that is in this process, without a client program."""
    sock = socket.socket(socket.AF_UNIX)
    sock.connect(str(server.control_socket))
    with closing(Client(sock)) as client, trio.fail_after(2 * PATIENCE):
        await client.greet()
        async with open_origin(client.relay, handler):
            assert (await client.register(key="app", **fields))["status"] == "ok"
            yield client


class Held:
    """An application that begins its answer and ends it when it is told to."""

    def __init__(self) -> None:
        self.begun = trio.Event()
        self.may_end = trio.Event()

    async def handle(self, connection: OriginConnection) -> None:
        """Answer one request."""
        await connection.receive_head()
        await connection.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nbegun")
        self.begun.set()
        await self.may_end.wait()
        await connection.send_all(b"ended")


async def read_answer(stream: trio.SocketStream) -> bytes:
    """Return all that comes until the end, or until the connection is broken."""
    received = b""
    try:
        async for chunk in stream:
            received += bytes(chunk)
    except trio.BrokenResourceError:
        pass
    return received
