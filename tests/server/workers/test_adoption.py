"""Servers that are killed: their workers serve on, and the next server adopts them."""

from __future__ import annotations

from pathlib import Path

import trio

from tests.support.crews import (
    Load,
    application,
    count_requests,
    kill,
    open_next,
    open_workers,
    teach,
    tunnel,
)
from tests.support.live_session import HOST, open_session
from tests.support.programs import PATIENCE, ask, wait_gone, wait_until

RESUME = {"extensions": ["resume"]}


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
