"""Limits of a server with two workers as processes: they hold for both together, and who ends frees its part."""

from __future__ import annotations

import contextlib
import os
import select
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import trio

from tests.doubles.origin import OriginConnection
from tests.support.crews import SWITCHED, UPGRADE, open_workers, ready
from tests.support.live_session import open_session
from tests.support.programs import PATIENCE, Server, wait_until
from tests.support.successors import upgrade

MOST = 10


async def switch(connection: OriginConnection) -> None:
    """Switch to a protocol in which nothing is said."""
    await connection.receive_head()
    await connection.send_all(SWITCHED)
    while await connection.receive_more():
        connection.unread.clear()


async def open_tunnel(server: Server) -> tuple[int, trio.SocketStream]:
    """Return the status of a request for a tunnel, and the connection."""
    stream = await trio.open_tcp_stream("127.0.0.1", server.port)
    received = b""
    with contextlib.suppress(trio.BrokenResourceError):  # who is turned away may be told before being heard
        await stream.send_all(UPGRADE)
    while b"\r\n" not in received:
        received += bytes(await stream.receive_some())
    return int(received.split()[1]), stream


class Tunnels:
    """The tunnels of one visitor to a server."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self.streams: list[trio.SocketStream] = []
        self.refusals: set[int] = set()

    async def fill(self) -> int:
        """Open tunnels until there is none for a while; returns how many there are."""
        refused = 0
        while refused < 5:
            status, stream = await open_tunnel(self._server)
            if status == 101:
                self.streams.append(stream)
                refused = 0
            else:
                await stream.aclose()
                self.refusals.add(status)
                refused += 1
        return len(self.streams)

    async def fill_up_to(self, count: int) -> None:
        """Open tunnels until there are so many, which what has ended makes room for; and no more."""
        with trio.fail_after(PATIENCE):
            while await self.fill() < count:
                pass
        assert len(self.streams) == count

    async def drop_broken(self) -> None:
        """Forget those that have broken: nothing comes through the others."""
        broken, _, _ = select.select([stream.socket for stream in self.streams], [], [], 0)
        for stream in self.streams[:]:
            if stream.socket in broken:
                self.streams.remove(stream)
                await trio.aclose_forcefully(stream)

    async def close(self, count: int) -> None:
        """Close some."""
        for _ in range(count):
            await self.streams.pop().aclose()


@asynccontextmanager
async def open_tunnels(server: Server) -> AsyncIterator[Tunnels]:
    """Visit a server within."""
    tunnels = Tunnels(server)
    try:
        yield tunnels
    finally:
        for stream in tunnels.streams:
            await trio.aclose_forcefully(stream)


@asynccontextmanager
async def open_full(runtime_dir: Path, limit: str) -> AsyncIterator[tuple[Server, Tunnels]]:
    """Visit the session of a server with that limit until there are as many tunnels as there may be."""
    async with (
        open_workers(runtime_dir, limit, str(MOST)) as server,
        open_session(server, switch),
        open_tunnels(server) as tunnels,
    ):
        await tunnels.fill_up_to(MOST)
        yield server, tunnels


async def test_an_address_has_its_places_at_all_workers_together(runtime_dir: Path) -> None:
    async with open_full(runtime_dir, "--max-address-visitors") as (_, tunnels):
        assert tunnels.refusals == {429}
        await tunnels.close(3)
        await tunnels.fill_up_to(MOST)
        await tunnels.close(MOST)
        # What was one worker's another has now.
        await tunnels.fill_up_to(MOST)


async def test_a_session_has_its_connections_at_all_workers_together(runtime_dir: Path) -> None:
    async with open_full(runtime_dir, "--max-route-connections") as (_, tunnels):
        assert tunnels.refusals == {503}
        await tunnels.close(4)
        await tunnels.fill_up_to(MOST)


async def test_what_a_killed_worker_had_is_free_again(runtime_dir: Path) -> None:
    async with open_full(runtime_dir, "--max-address-visitors") as (server, tunnels):
        for killed in range(2):
            await tunnels.fill_up_to(MOST)
            os.kill(ready(server)[-2], signal.SIGKILL)
            await wait_until(lambda killed=killed: len(ready(server)) == 3 + killed)  # type: ignore[misc]
            await tunnels.drop_broken()
        await tunnels.fill_up_to(MOST)


async def test_a_successor_has_the_limits_anew(runtime_dir: Path) -> None:
    options = ("--max-route-connections", str(MOST))
    async with (
        open_workers(runtime_dir, *options) as server,
        open_session(server, switch, extensions=["resume"]) as client,
    ):
        async with open_tunnels(server) as tunnels:
            await tunnels.fill_up_to(MOST)
        await upgrade(server)
        while await client.receive() != {"event": "move"}:
            pass
        async with open_session(server, switch, extensions=["resume"]):
            assert await server.program.wait_ended() == 0
            await wait_until(lambda: len(ready(server)) == 4)
            async with open_tunnels(server) as tunnels:
                await tunnels.fill_up_to(MOST)
