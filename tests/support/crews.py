"""Servers with workers, and what comes to those: a load, tunnels, the end of the server."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import h11
import trio

from tests.doubles.origin import OriginConnection
from tests.support.live_session import HOST, OK, REQUEST, TOKEN
from tests.support.programs import Server, ask, open_server, wait_until
from tests.support.successors import ending_successors, entries

UPGRADE = REQUEST.replace(b"\r\n\r\n", b"\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n")
SWITCHED = b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n"


@asynccontextmanager
async def open_workers(runtime_dir: Path, *options: str) -> AsyncIterator[Server]:
    """Run a server whose two workers serve already."""
    async with open_server(runtime_dir, "--workers", "2", *options) as server, ending_successors(server.program):
        await wait_until(lambda: len(ready(server)) == 2)
        yield server


def ready(server: Server) -> list[int]:
    """Return the ids of the workers that have begun to serve, the latest last."""
    return [entry["pid"] for entry in entries(server.program, "worker_ready")]


async def echo(connection: OriginConnection) -> None:
    """Switch to a protocol that says everything again."""
    await connection.receive_head()
    await connection.send_all(SWITCHED)
    while await connection.receive_more():
        data = bytes(connection.unread)
        connection.unread.clear()
        await connection.send_all(data)


class Load:
    """Visitors who ask again and again, each over a connection of its own."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.answered = 0
        self.broken = 0
        self.wrong: list[tuple[int, bytes]] = []
        self.is_over = False
        self.running = 0

    async def run(self) -> None:
        """Ask until it is over."""
        self.running += 1
        while not self.is_over:
            try:
                answer = await ask(self._port, HOST, "/", token=TOKEN)
            except (OSError, AssertionError, trio.BrokenResourceError, h11.RemoteProtocolError):
                self.broken += 1
                continue
            self.answered += 1
            if answer.status != 200:
                self.wrong.append((answer.status, answer.body))
        self.running -= 1

    async def end(self) -> None:
        """Ask no more, and return once all is answered."""
        self.is_over = True
        await wait_until(lambda: not self.running)

    async def wait_more(self, count: int) -> None:
        """Return once so many more are answered."""
        wanted = self.answered + count
        await wait_until(lambda: self.answered >= wanted)


async def tunnel(server: Server) -> trio.SocketStream:
    """Return a visitor's connection that has changed its protocol."""
    stream = await trio.open_tcp_stream("127.0.0.1", server.port)
    await stream.send_all(UPGRADE)
    received = b""
    while b"\r\n\r\n" not in received:
        received += bytes(await stream.receive_some())
    assert received.startswith(b"HTTP/1.1 101")
    return stream


async def application(connection: OriginConnection) -> None:
    """Answer requests, or say everything again where another protocol is asked for."""
    while head := await connection.receive_head():
        if b"Upgrade:" not in head:
            await connection.send_all(OK)
            continue
        await connection.send_all(SWITCHED)
        while await connection.receive_more():
            data = bytes(connection.unread)
            connection.unread.clear()
            await connection.send_all(data)
        return


async def teach(server: Server) -> None:
    """Have each of two workers see the token, one while the other is stopped."""
    for pid in ready(server)[-2:]:
        os.kill(pid, signal.SIGSTOP)
        try:
            assert (await ask(server.port, HOST, "/", token=TOKEN)).status == 200
        finally:
            os.kill(pid, signal.SIGCONT)


async def kill(server: Server) -> list[int]:
    """Kill a server, and return the ids of its workers once they have noticed."""
    pids = ready(server)[-2:]
    server.program.send_signal(signal.SIGKILL)
    await server.program.wait_ended()
    await wait_until(lambda: len(entries(server.program, "orphaned")) == 2)
    return pids


async def count_requests(server: Server) -> int:
    """Return how many requests a server says that it has answered."""
    return int(json.loads((await ask(server.port, "x", "/_conductor/status")).body)["requestTotal"])


@asynccontextmanager
async def open_next(server: Server, workers: str = "2", *options: str) -> AsyncIterator[Server]:
    """Run the next server, where the one before was."""
    where = ("-p", str(server.port), "--workers", workers, "--grace", "60")
    async with open_server(server.runtime_dir, *where, *options) as following:
        yield following
