"""Whether clients are there: they are asked, silence ends their sessions, and all hear that the server goes."""

from __future__ import annotations

from pathlib import Path

import trio
import trio.testing

from conductor_trio.server.routing.states import Detached
from tests.support.session_bench import (
    LABEL,
    LIMITS,
    Bench,
    open_bench,
)

HOST = f"app-{LABEL}.apps.test"


RESUMES = {"key": "app", "extensions": ["resume"]}


def ping(idle: float) -> dict[str, object]:
    """Return what a client hears when nothing has gone through for so many seconds."""
    return {"event": "ping", "idle": idle, "visitors": 0}


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
                await client.say("pong")
                await trio.testing.wait_all_tasks_blocked(0.05)
            silence = 0.0
            while silence <= LIMITS.ping_timeout:
                mock_clock.jump(LIMITS.ping_interval)
                silence += LIMITS.ping_interval
                assert await client.receive() == (ping(idle) if silence < LIMITS.ping_timeout else None)
                idle += LIMITS.ping_interval
            assert silence <= 30
            await bench.wait_state(HOST, Detached)


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
            await bench.wait_state(HOST, Detached)


async def test_a_client_that_does_not_know_of_it_is_never_asked(
    runtime_dir: Path, mock_clock: trio.testing.MockClock
) -> None:
    async with open_bench(runtime_dir) as bench:
        with bench.connect() as client:
            await client.go_live(key="app")
            for _ in range(10):
                mock_clock.jump(LIMITS.ping_interval)
                await trio.testing.wait_all_tasks_blocked()
            await client.say("leave")
            assert await client.receive() is None


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
