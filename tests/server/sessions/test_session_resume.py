"""A session whose client speaks the extension `resume`: its name outlives the link, and is taken back at once."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import pytest

from conductor_trio.server.routing.states import Cause, Detached, Ended
from tests.support.routes import make_route
from tests.support.session_bench import (
    LABEL,
    LIMITS,
    OTHER_HASH,
    Bench,
    Client,
    open_bench,
)

HOST = f"app-{LABEL}.apps.test"
RESUMES = {"key": "app", "extensions": ["resume"]}


# Its end.


async def test_a_channel_that_breaks_off_leaves_its_name_for_a_while(bench: Bench) -> None:
    with bench.connect() as client:
        await client.go_live(**RESUMES)
    await bench.wait_state(HOST, Detached)
    assert bench.session_directories == []


async def test_one_that_leaves_does_not(bench: Bench) -> None:
    with bench.connect() as client:
        await client.go_live(**RESUMES)
        await client.say("leave")
        assert await client.receive() is None
    await bench.wait_state(HOST, Ended)


async def test_nor_does_a_client_that_does_not_know_how_to_leave(bench: Bench) -> None:
    with bench.connect() as client:
        await client.go_live(key="app")
    await bench.wait_state(HOST, Ended)


async def test_nor_one_that_breaks_the_protocol(bench: Bench) -> None:
    with bench.connect() as client:
        await client.go_live(**RESUMES)
        await client.send(b"x" * 70_000)
        assert await client.receive() is None
    await bench.wait_state(HOST, Ended)


async def test_a_relay_socket_that_changes_takes_the_route_down(bench: Bench) -> None:
    with bench.connect() as client:
        await client.go_live(**RESUMES)
        os.unlink(client.relay)
        assert await client.receive() is None
        await bench.wait_state(HOST, Detached)


# Its name.


async def test_the_same_token_takes_the_name_over_at_once(bench: Bench) -> None:
    with bench.connect() as ghost, bench.connect() as client:
        await ghost.go_live(**RESUMES)
        former = bench.routes.find(HOST)
        await client.go_live(**RESUMES)
        assert former is not None and bench.routes.get(former.id) is None
        assert bench.routes.find(HOST) not in (former, None)
        assert await ghost.receive() == {"event": "replaced"}
        assert await ghost.receive() is None
        assert len(bench.routes) == 1
        assert len(bench.session_directories) == 1


async def test_so_do_original_clients(bench: Bench) -> None:
    with bench.connect() as ghost, bench.connect() as client:
        await ghost.go_live(key="app")
        await client.go_live(key="app")
        assert await ghost.receive() is None


async def test_the_same_token_takes_a_lost_name_over(bench: Bench) -> None:
    with bench.connect() as client:
        await client.go_live(**RESUMES)
    await bench.wait_state(HOST, Detached)
    with bench.connect() as client:
        answer = await client.go_live(**RESUMES)
        assert answer["urls"] == [HOST]
        assert bench.routes.detached == 0


@pytest.mark.parametrize("is_lost", [False, True])
async def test_another_token_does_not_unless_told_to(bench: Bench, is_lost: bool) -> None:
    with bench.connect() as holder:
        await holder.go_live(**RESUMES)
        if is_lost:
            holder.close()
            await bench.wait_state(HOST, Detached)
        with bench.connect() as other:
            await other.greet()
            other.listen()
            answer = await other.register(**RESUMES, auth=OTHER_HASH)
            assert answer["status"] == "error" and "name taken" in answer["reason"]
        with bench.connect() as other:
            await other.go_live(**RESUMES, auth=OTHER_HASH, takeover="any")
            if not is_lost:
                assert await holder.receive() == {"event": "replaced"}


async def test_who_was_replaced_does_not_take_turns(bench: Bench) -> None:
    with bench.connect() as holder:
        await holder.go_live(**RESUMES)
        with bench.connect() as replaced:
            await replaced.greet()
            replaced.listen()
            answer = await replaced.register(**RESUMES, takeover="never")
            assert answer["status"] == "error" and "name taken" in answer["reason"]
        await holder.say("leave")
    await bench.wait_state(HOST, Ended)
    with bench.connect() as replaced:
        await replaced.go_live(**RESUMES, takeover="never")


async def test_a_name_is_never_taken_from_another_user(bench: Bench) -> None:
    # Host names keep users apart, so this cannot be had otherwise.
    mallory = bench.routes.register(make_route(host=HOST, user="mallory", token=b"token"))
    with bench.connect() as other:
        await other.greet()
        other.listen()
        answer = await other.register(**RESUMES, takeover="any")
        assert answer["status"] == "error" and "name taken" in answer["reason"]
    assert bench.routes.find(HOST) is mallory
    bench.routes.change(mallory.id, Cause.LEFT)


# Whose channel came first.


@pytest.fixture
async def bench_to_the_instant(runtime_dir: Path) -> AsyncIterator[Bench]:
    """Serve clients, of whom none counts as having come at the same time as another."""
    async with open_bench(runtime_dir, limits=attrs.evolve(LIMITS, same_time=0.0)) as bench:
        yield bench


@asynccontextmanager
async def connect_early(bench: Bench) -> AsyncIterator[Client]:
    """Connect as a client that listens, and has still to register."""
    with bench.connect() as client:
        await client.greet()
        client.listen()
        yield client


@pytest.mark.parametrize("takeover", ["own", "any"])
async def test_what_a_killed_client_had_sent_takes_nothing_from_the_one_started_after_it(
    bench_to_the_instant: Bench, takeover: str
) -> None:
    """Its registration may come late, over a network that stood still."""
    bench = bench_to_the_instant
    async with connect_early(bench) as killed:
        with bench.connect() as client:
            await client.go_live(**RESUMES)
            answer = await killed.register(**RESUMES, takeover=takeover)
            assert answer["status"] == "error" and "came after this one" in answer["reason"]
            found = bench.routes.find(HOST)
            assert found is not None and found.is_live
        # The name is only lost now, and so free for its owner.
        await bench.wait_state(HOST, Detached)
    with bench.connect() as client:
        await client.go_live(**RESUMES)


async def test_one_that_came_earlier_may_have_a_name_that_is_only_kept(bench_to_the_instant: Bench) -> None:
    bench = bench_to_the_instant
    async with connect_early(bench) as patient:
        with bench.connect() as client:
            await client.go_live(**RESUMES)
        await bench.wait_state(HOST, Detached)
        assert (await patient.register(**RESUMES))["status"] == "ok"


async def test_with_another_token_it_is_taken_by_who_asked_for_that(bench_to_the_instant: Bench) -> None:
    bench = bench_to_the_instant
    async with connect_early(bench) as patient:
        with bench.connect() as client:
            await client.go_live(**RESUMES)
            answer = await patient.register(**RESUMES, auth=OTHER_HASH, takeover="any")
            assert answer["status"] == "ok"
            assert await client.receive() == {"event": "replaced"}
