"""Servers that are killed: their workers serve on, and the next server adopts them."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import trio

from tests.doubles.origin import OriginConnection
from tests.server.workers.test_crew import SWITCHED, Load, open_workers, ready, tunnel
from tests.support.live_session import HOST, OK, TOKEN, open_session
from tests.support.programs import PATIENCE, Server, ask, open_server, wait_gone, wait_until
from tests.support.successors import entries

RESUME = {"extensions": ["resume"]}


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
    port = ("-p", str(server.port))
    async with open_server(server.runtime_dir, *port, "--workers", workers, *options) as following:
        await wait_until(lambda: len(ready(following)) == (0 if workers == "1" else int(workers)))
        yield following


async def test_workers_serve_on_until_the_next_server_adopts_them(runtime_dir: Path) -> None:
    async with open_workers(runtime_dir) as server, open_session(server, application, **RESUME):
        await teach(server)
        stream = await tunnel(server)
        load = Load(server.port)
        async with trio.open_nursery() as nursery:
            for _ in range(2):
                nursery.start_soon(load.run)
            await load.wait_more(5)
            orphans = await kill(server)
            await load.wait_more(20)
            refused = await ask(server.port, HOST, "/", token="wrong", method="POST")
            assert (refused.status, bool(refused.field(b"retry-after"))) == (503, True)
            answers = []

            async def wait_for_the_next() -> None:
                answers.append(await ask(server.port, "nobody.localhost", "/"))

            for _ in range(4):
                nursery.start_soon(wait_for_the_next)
            await load.wait_more(20)
            assert not answers
            async with open_next(server) as following, open_session(following, application, **RESUME):
                await wait_until(lambda: len(answers) == 4)
                assert {answer.status for answer in answers} == {404}
                await load.wait_more(20)
                await load.end()
                assert (load.wrong, load.broken) == ([], 0)
                await stream.send_all(b"x")
                assert await stream.receive_some() == b"x"
                await stream.aclose()
                for pid in orphans:
                    await wait_gone(pid)
                with trio.fail_after(PATIENCE):
                    while await count_requests(following) < load.answered:
                        pass
                await wait_until(lambda: len(list(runtime_dir.glob("adopt.*"))) == 2)
                await wait_until(lambda: len(following.session_directories) == 1)
