"""The operator's ends: told, enforced, remembered for whoever comes back, and forgotten in time."""

from __future__ import annotations

from pathlib import Path

import attrs
import trio

from conductor_trio.server.orders.blocks import Block, Blocked
from conductor_trio.server.orders.orders import Drain
from conductor_trio.server.routing.routes import Route
from conductor_trio.server.routing.states import Detached, Ended, Live
from conductor_trio.server.sessions.operator.ends import Ending
from tests.support.session_bench import LABEL, LIMITS, USER, Bench, open_bench

HOST = f"app-{LABEL}.apps.test"
ALL = ["owner", "resume"]
QUICK = attrs.evolve(LIMITS, operator_end_timeout=0.05, expiry_interval=0.01)
STOP = {"event": "stop", "by": "operator", "reason": "noise"}


def route_of(bench: Bench) -> Route:
    route = bench.routes.find(HOST)
    assert route is not None
    return route


async def test_a_client_is_told_why_and_leaves(runtime_dir: Path) -> None:
    async with open_bench(runtime_dir) as bench:
        ends = bench.context.ends
        with bench.connect() as client:
            await client.go_live(key="app", extensions=ALL)
            assert ends.end(route_of(bench), "noise") is Ending.TOLD
            assert await client.receive() == STOP
            await client.say("leave")
            await bench.wait_state(HOST, Ended)
            assert len(ends) == 0
        # The next one with that token is new.
        with bench.connect() as client:
            await client.go_live(key="app", extensions=ALL)
            await client.say("ready")
            assert await client.receive() == {"event": "ready"}


async def test_one_that_does_not_heed_it_is_ended(runtime_dir: Path) -> None:
    async with open_bench(runtime_dir, limits=QUICK) as bench:
        with bench.connect() as client:
            await client.go_live(key="app", extensions=ALL)
            bench.context.ends.end(route_of(bench), "")
            assert await client.receive() == {"event": "stop", "by": "operator"}
            assert await client.receive() is None
            await bench.wait_state(HOST, Ended)
            # It comes back, and is told again.
            with bench.connect() as again:
                await again.go_live(key="app", extensions=ALL)
                assert await again.receive() == {"event": "stop", "by": "operator"}
                assert await again.receive() is None


async def test_one_whose_link_is_lost_is_told_when_it_is_back(runtime_dir: Path) -> None:
    async with open_bench(runtime_dir) as bench:
        with bench.connect() as client:
            await client.go_live(key="app", extensions=ALL)
        await bench.wait_state(HOST, Detached)
        assert bench.context.ends.end(route_of(bench), "noise") is Ending.LOST
        with bench.connect() as client:
            await client.go_live(key="app", extensions=ALL)
            assert await client.receive() == STOP
            await client.say("leave")


async def test_one_that_cannot_be_told_is_ended_and_does_not_come_back_at_once(runtime_dir: Path) -> None:
    limits = attrs.evolve(QUICK, detached_timeout=0.2)
    async with open_bench(runtime_dir, limits=limits) as bench:
        with bench.connect() as client:
            await client.go_live(key="app")
            assert bench.context.ends.end(route_of(bench), "noise") is Ending.ENDED
            assert await client.receive() is None
        await bench.wait_state(HOST, Ended)
        assert route_of(bench).was_cut  # for whoever does not go by itself is not waited
        with bench.connect() as client:
            await client.greet()
            client.listen()
            reason = "the gateway's operator has ended this session: noise"
            assert await client.register(key="app") == {"status": "error", "reason": reason}
        with trio.fail_after(10):
            while len(bench.context.ends):  # noqa: ASYNC110
                await trio.sleep(0.01)
        with bench.connect() as client:
            await client.go_live(key="app")


async def test_a_block_and_a_drain_take_no_new_sessions_and_let_old_ones_back(runtime_dir: Path) -> None:
    async with open_bench(runtime_dir) as bench:
        orders = bench.context.orders
        with bench.connect() as client:
            await client.go_live(key="app", extensions=ALL)
            orders.block(Block(kind=Blocked.USER, name=USER, since=1.0, reason="noise"))
            orders.set_drain(Drain(since=1.0))
        await bench.wait_state(HOST, Detached)
        with bench.connect() as back, bench.connect() as new:
            await back.go_live(key="app", extensions=ALL)
            await bench.wait_state(HOST, Live)
            await new.greet()
            new.listen()
            refused = await new.register(key="new", extensions=ALL)
            assert refused["what"] == "the gateway's operator takes no new sessions of yours: noise"
            # It has left, and is new from then on.
            await back.say("leave")
            await bench.wait_state(HOST, Ended)
        orders.unblock(Blocked.USER, USER)
        with bench.connect() as client:
            await client.greet()
            client.listen()
            refused = await client.register(key="app", extensions=ALL)
            assert refused["what"] == "the gateway takes no new sessions at this moment"
        orders.set_drain(None)
        with bench.connect() as client:
            await client.go_live(key="app", extensions=ALL)
