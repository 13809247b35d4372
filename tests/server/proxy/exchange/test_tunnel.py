"""A tunnel carries what came early first, then all that comes, and gives its connection back however it ends."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import attrs
import trio
from trio.testing import wait_all_tasks_blocked

from conductor_trio.access.grants import OWNER
from conductor_trio.server.proxy.cancellation import CancelReason, ConnectionScope
from conductor_trio.server.proxy.exchange.tunnel import Tunnel, relay_tunnel
from tests.support.exchange_bench import Bench, open_bench

PATIENCE = 10.0


@attrs.frozen(kw_only=True)
class Stage:
    """A tunnel that runs; `ended` is set once it has given everything back."""

    bench: Bench
    scope: ConnectionScope
    ended: trio.Event


@asynccontextmanager
async def open_tunnel(*, from_visitor: bytes = b"", from_application: bytes = b"") -> AsyncIterator[Stage]:
    """Run a tunnel while the block runs, and check that its connection is closed and forgotten at its end."""
    scope, ended = ConnectionScope(), trio.Event()
    with open_bench() as bench, trio.fail_after(PATIENCE):
        tunnel = Tunnel(
            runtime=bench.runtime,
            principal=OWNER,
            upstream=bench.upstream,
            from_visitor=from_visitor,
            from_application=from_application,
        )

        async def run() -> None:
            with scope.scope:
                await relay_tunnel(tunnel, bench.context.visitor, bench.proxy, scope, bench.context.watch)
            ended.set()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(run)
            await wait_all_tasks_blocked()
            yield Stage(bench=bench, scope=scope, ended=ended)
            await ended.wait()
        assert bench.runtime.account.connections == {}
        assert await bench.sent_to_application(1) == b""


async def end_both(bench: Bench) -> None:
    """Have the visitor and the application say no more."""
    await bench.visitor.send_eof()
    await bench.application.send_eof()


async def test_bytes_go_both_ways_those_first_that_came_early() -> None:
    async with open_tunnel(from_visitor=b"early question", from_application=b"early answer") as stage:
        bench = stage.bench
        assert await bench.sent_to_application(14) == b"early question"
        assert await bench.sent_to_visitor() == b"early answer"
        await bench.visitor.send_all(b"question")
        assert await bench.sent_to_application(8) == b"question"
        await bench.application.send_all(b"the answer")
        assert await bench.sent_to_visitor() == b"the answer"
        assert bench.runtime.traffic.to_application >= len(b"question")
        assert bench.runtime.traffic.to_visitors >= len(b"the answer")
        await end_both(bench)


async def test_it_is_its_principals_while_it_runs() -> None:
    async with open_tunnel() as stage:
        assert stage.bench.runtime.account.visitors() == {OWNER: 1}
        await end_both(stage.bench)


async def test_one_end_leaves_the_other_direction_open() -> None:
    async with open_tunnel() as stage:
        bench = stage.bench
        await bench.visitor.send_eof()
        assert await bench.sent_to_application(1) == b""
        await bench.application.send_all(b"last words")
        assert await bench.sent_to_visitor() == b"last words"
        assert not stage.ended.is_set()
        await bench.application.send_eof()


async def test_it_ends_at_once_with_the_visitors_access() -> None:
    async with open_tunnel() as stage:
        stage.scope.cancel(CancelReason.ACCESS_ENDED)
        await stage.ended.wait()
        assert stage.scope.reason is CancelReason.ACCESS_ENDED


async def test_from_the_session_s_end_on_nothing_of_the_visitor_s_reaches_the_application() -> None:
    async with open_tunnel() as stage:
        bench = stage.bench
        await bench.visitor.send_all(b"before")
        assert await bench.sent_to_application(6) == b"before"
        stage.scope.cancel(CancelReason.LINK_LOST)
        await bench.visitor.send_all(b"too late")
        await bench.application.send_all(b"last words")
        assert await bench.sent_to_visitor() == b"last words"
        await bench.application.send_eof()
        await stage.ended.wait()
        assert await bench.sent_to_application(1) == b""


async def test_while_the_server_ends_both_are_heard() -> None:
    async with open_tunnel() as stage:
        bench = stage.bench
        os.write(bench.application.fileno(), b"last words")  # which nobody can have read as yet
        stage.scope.cancel(CancelReason.SERVER_ENDS)
        await bench.visitor.send_all(b"and mine")
        assert await bench.sent_to_application(8) == b"and mine"
        assert await bench.sent_to_visitor() == b"last words"
        await end_both(bench)
