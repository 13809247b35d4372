"""What the data plane tells the rest of the server: what still runs, and when nothing does."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from conductor_trio.limits.server import ServerLimits
from conductor_trio.server.accounts.places import NoPlace
from conductor_trio.server.app import make_planes
from conductor_trio.server.routing.states import Cause
from conductor_trio.server.settings import ServerSettings
from tests.doubles.origin import OriginConnection, answering
from tests.support.engine import OK, Application, make_log, open_engine, request
from tests.support.routes import make_route

PATIENCE = 10.0


@pytest.mark.one_process
async def test_whoever_waits_for_exchanges_hears_when_only_parked_ones_are_left(short_tmp: Path) -> None:
    may_answer = trio.Event()

    async def handle(connection: OriginConnection) -> None:
        await connection.receive_head()
        await may_answer.wait()
        await connection.send_all(OK)

    async with open_engine(short_tmp, handle) as engine:
        context = engine.context
        with trio.fail_after(PATIENCE):
            await context.wait_exchanges_settled()  # nothing runs
            visitor, parked = engine.connect(), engine.connect()
            await visitor.send(request())
            await engine.origin.wait_connections()
            settled = trio.Event()

            async def wait() -> None:
                await context.wait_exchanges_settled()
                settled.set()

            engine.nursery.start_soon(wait)
            lost = engine.routes.register(make_route(host="lab-bob.test", user="bob", token=b"bobs"))
            engine.routes.change(lost.id, Cause.LINK_LOST)
            await parked.send(request(host=b"lab-bob.test", auth=b"Cookie: authorization=bobs\r\n"))
            while not context.parked.total:  # noqa: ASYNC110
                await trio.lowlevel.checkpoint()
            assert context.exchanges == 2 and not settled.is_set()
            may_answer.set()
            assert (await visitor.receive_response()).status == 200
            await settled.wait()
            assert context.exchanges == context.parked.total == 1
            empty = trio.Event()

            async def wait_empty() -> None:
                await context.wait_parked_empty()
                empty.set()

            engine.nursery.start_soon(wait_empty)
            await wait_all_tasks_blocked()
            assert not empty.is_set()
            engine.routes.change(lost.id, Cause.EXPIRED)
            assert (await parked.receive_response()).status == 410
            await empty.wait()
            await context.wait_parked_empty()


async def test_a_tunnel_is_no_exchange(short_tmp: Path) -> None:
    switch = b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n"
    async with open_engine(short_tmp, answering(switch, close=False)) as engine:
        visitor = engine.connect()
        await visitor.send(request(fields=b"Connection: upgrade\r\nUpgrade: x\r\n"))
        assert (await visitor.receive_response(upgrade=True)).status == 101
        with trio.fail_after(PATIENCE):
            await engine.context.wait_exchanges_settled()
            await wait_all_tasks_blocked()
        assert (engine.context.exchanges, engine.context.activity.tunnels, engine.context.visitors) == (0, 1, 1)
        assert engine.context.status()["requests_active"] == 1


async def test_word_that_the_server_ends_closes_idle_connections(
    short_tmp: Path, autojump_clock: MockClock
) -> None:
    async with open_engine(short_tmp, Application()) as engine:
        visitor = engine.connect_memory()
        await visitor.send(request())
        assert (await visitor.receive_response()).status == 200
        start = trio.current_time()
        assert not engine.context.draining.is_set()
        engine.begin_drain()
        assert engine.context.draining.is_set()
        await visitor.wait_closed()
        assert trio.current_time() - start == engine.context.limits.drain_idle_timeout


async def test_the_operator_hears_now_and_then_that_visitors_are_turned_away(mock_clock: MockClock) -> None:
    entries: list[Mapping[str, Any]] = []
    limits = ServerLimits()
    settings = ServerSettings(runtime_dir="/nowhere", patterns=("{key}-{user}.test",), limits=limits)
    proxy = make_planes(settings, make_log(entries)).proxy
    for _ in range(3):
        proxy.note_turned_away(NoPlace.FULL)
    mock_clock.jump(limits.turned_away_interval)
    proxy.note_turned_away(NoPlace.ADDRESS_FULL)
    proxy.note_turned_away(NoPlace.ADDRESS_FULL)
    assert [(entry["event"], entry["turned_away"]) for entry in entries] == [
        ("cannot_accept", {"full": 1}),
        ("cannot_accept", {"full": 2, "address_full": 1}),
    ]
