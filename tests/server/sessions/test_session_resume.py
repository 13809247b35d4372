"""A session whose client speaks the extension `resume`: its name outlives the link, and is taken back at once."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator
from pathlib import Path

import attrs
import pytest
import trio
import trio.testing

from conductor_trio.server.routing.states import Cause, Detached, Ended, Live, SessionState, Starting
from tests.support.routes import make_route
from tests.support.session_bench import (
    LABEL,
    LIMITS,
    OTHER_HASH,
    PATIENCE,
    Bench,
    Client,
    open_bench,
)

HOST = f"app-{LABEL}.apps.test"
RESUMES = {"key": "app", "extensions": ["resume"]}


@pytest.fixture
async def bench(runtime_dir: Path) -> AsyncIterator[Bench]:
    async with open_bench(runtime_dir) as bench:
        yield bench


async def say(client: Client, event: str) -> None:
    """Send an event."""
    await client.send(json.dumps({"event": event}).encode() + b"\n")


def ping(idle: float) -> dict[str, object]:
    """Return what a client hears when nothing has gone through for so many seconds."""
    return {"event": "ping", "idle": idle, "visitors": 0}


async def wait_until(bench: Bench, state: type[SessionState]) -> None:
    """Wait until that is what is known of the name."""
    with trio.fail_after(PATIENCE):
        while not isinstance(state_of(bench), state):  # noqa: ASYNC110
            await trio.sleep(0.001)


def state_of(bench: Bench) -> SessionState | None:
    """Return the state of the session that has the name."""
    route = bench.routes.find(HOST)
    return None if route is None else route.state


# Its end.


async def test_a_channel_that_breaks_off_leaves_its_name_for_a_while(bench: Bench) -> None:
    with bench.connect() as client:
        await client.go_live(**RESUMES)
    await wait_until(bench, Detached)
    assert bench.session_directories == []


async def test_one_that_leaves_does_not(bench: Bench) -> None:
    with bench.connect() as client:
        await client.go_live(**RESUMES)
        await say(client, "leave")
        assert await client.receive() is None
    await wait_until(bench, Ended)


async def test_nor_does_a_client_that_does_not_know_how_to_leave(bench: Bench) -> None:
    with bench.connect() as client:
        await client.go_live(key="app")
    await wait_until(bench, Ended)


async def test_nor_one_that_breaks_the_protocol(bench: Bench) -> None:
    with bench.connect() as client:
        await client.go_live(**RESUMES)
        await client.send(b"x" * 70_000)
        assert await client.receive() is None
    await wait_until(bench, Ended)


async def test_a_relay_socket_that_changes_takes_the_route_down(bench: Bench) -> None:
    with bench.connect() as client:
        await client.go_live(**RESUMES)
        os.unlink(client.relay)
        assert await client.receive() is None
        await wait_until(bench, Detached)


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
    await wait_until(bench, Detached)
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
            await wait_until(bench, Detached)
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
        await say(holder, "leave")
    await wait_until(bench, Ended)
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


# Whether anybody is still there.


async def test_a_client_that_answers_is_kept_and_one_that_does_not_is_lost(
    runtime_dir: Path, mock_clock: trio.testing.MockClock
) -> None:
    async with open_bench(runtime_dir) as bench:
        with bench.connect() as client:
            await client.go_live(**RESUMES)
            idle = LIMITS.ping_interval
            for _ in range(10):
                mock_clock.jump(LIMITS.ping_interval)
                assert await client.receive() == ping(idle)
                idle += LIMITS.ping_interval
                await say(client, "pong")
                await trio.testing.wait_all_tasks_blocked(0.05)
            silence = 0.0
            while silence <= LIMITS.ping_timeout:
                mock_clock.jump(LIMITS.ping_interval)
                silence += LIMITS.ping_interval
                assert await client.receive() == (ping(idle) if silence < LIMITS.ping_timeout else None)
                idle += LIMITS.ping_interval
            assert silence <= 30
            await wait_until(bench, Detached)


async def test_silence_is_noticed_when_it_has_lasted_too_long_and_not_at_the_next_question(
    runtime_dir: Path, mock_clock: trio.testing.MockClock
) -> None:
    async with open_bench(runtime_dir) as bench:
        mock_clock.jump(LIMITS.ping_interval / 2)  # so that no question coincides with the end of the silence
        with bench.connect() as client:
            await client.go_live(**RESUMES)
            mock_clock.jump(LIMITS.ping_timeout - 1)
            heard = await client.receive()
            assert heard is not None and heard["event"] == "ping"
            mock_clock.jump(1)
            assert await client.receive() is None
            await wait_until(bench, Detached)


async def test_a_client_that_does_not_know_of_it_is_never_asked(
    runtime_dir: Path, mock_clock: trio.testing.MockClock
) -> None:
    async with open_bench(runtime_dir) as bench:
        with bench.connect() as client:
            await client.go_live(key="app")
            for _ in range(10):
                mock_clock.jump(LIMITS.ping_interval)
                await trio.testing.wait_all_tasks_blocked()
            await say(client, "leave")
            assert await client.receive() is None


# A server that is about to go.


async def test_all_are_told_to_move_and_served_on(bench: Bench) -> None:
    with bench.connect() as before, bench.connect() as original, bench.connect() as after:
        await before.go_live(key="b", extensions=["resume"])
        await original.go_live(key="o")
        bench.context.begin_drain()
        assert await before.receive() == {"event": "move"}
        await after.go_live(key="a", extensions=["resume"])  # connected before, and comes late
        assert await after.receive() == {"event": "move"}
        assert len(bench.routes) == 3
        bench.stop()
        assert await before.receive() is None
        assert await original.receive() is None
        # A successor expects them all, whether or not they were told.
        assert bench.routes.find(f"b-{LABEL}.apps.test") is not None


# An application that is still starting.


async def test_a_name_may_be_there_before_its_application(bench: Bench) -> None:
    with bench.connect() as client:
        await client.go_live(key="app", extensions=["starting"], starting=True)
        assert isinstance(state_of(bench), Starting)
        await say(client, "ready")
        assert await client.receive() == {"event": "ready"}
        assert isinstance(state_of(bench), Live)


# How many.


async def test_a_user_opens_so_many_in_a_minute_and_no_more(
    runtime_dir: Path, mock_clock: trio.testing.MockClock
) -> None:
    limits = attrs.evolve(LIMITS, max_user_new_sessions=3)
    async with open_bench(runtime_dir, limits=limits) as bench:

        async def open_and_leave() -> str | None:
            with bench.connect() as client:
                greeting = await client.receive()
                assert greeting is not None
                reason: str | None = greeting.get("reason")
                return reason

        for _ in range(3):
            assert await open_and_leave() is None
        reason = await open_and_leave()
        assert reason is not None and "3 sessions" in reason and "minute" in reason
        assert bench.context.counters.refused == 1
        mock_clock.jump(61)
        for _ in range(3):
            assert await open_and_leave() is None
        await trio.testing.wait_all_tasks_blocked()
