"""Who waits for whom where several routes want the processor; its time is the test's."""

from __future__ import annotations

import time

import pytest
import trio
from trio.testing import MockClock

from conductor_trio.limits.server import ServerLimits
from conductor_trio.server.accounts.fairness import Fairness, Usage

LIMITS = ServerLimits(route_share=0.5, route_burst=0.02, contention_memory=1.0)


class Route:
    """A route that works and waits."""

    def __init__(self, fairness: Fairness, clock: MockClock) -> None:
        self._fairness = fairness
        self._clock = clock
        self._usage = Usage()

    def work(self, seconds: float) -> None:
        """Use the processor for that long, in one go."""
        self._fairness.after_io_wait(0)
        self._clock.jump(seconds)
        self._fairness.charge(self._usage)

    async def wait(self) -> float:
        """Return how long it has to wait before it may go on."""
        begin = trio.current_time()
        await self._fairness.wait_for_share(self._usage)
        return trio.current_time() - begin


def two_routes(clock: MockClock) -> tuple[Route, Route]:
    fairness = Fairness(LIMITS, clock.current_time)
    return Route(fairness, clock), Route(fairness, clock)


async def test_a_route_that_is_alone_never_waits(autojump_clock: MockClock) -> None:
    hot, _ = two_routes(autojump_clock)
    await trio.sleep(2)  # since the beginning
    for _ in range(100):
        assert await hot.wait() == 0
        hot.work(0.1)


async def test_what_it_used_alone_is_not_held_against_it(autojump_clock: MockClock) -> None:
    hot, quiet = two_routes(autojump_clock)
    await hot.wait()
    await trio.sleep(2)
    hot.work(10)
    await quiet.wait()
    assert await hot.wait() == 0


async def test_a_route_gets_its_share_while_another_wants_something(autojump_clock: MockClock) -> None:
    hot, quiet = two_routes(autojump_clock)
    begin = trio.current_time()
    worked = 0.0
    while trio.current_time() < begin + 10:
        assert await quiet.wait() == 0
        await hot.wait()
        hot.work(0.002)
        worked += 0.002
        quiet.work(0.0001)
    assert worked == pytest.approx(10 * LIMITS.route_share, rel=0.02)


async def test_a_burst_is_let_through(autojump_clock: MockClock) -> None:
    hot, quiet = two_routes(autojump_clock)
    await quiet.wait()
    await hot.wait()
    await trio.sleep(0.5)
    hot.work(0.015)
    assert await hot.wait() == 0
    hot.work(0.010)
    # What 25 ms of use take at half of the time, without those that have passed, and those that it may be ahead.
    assert await hot.wait() == pytest.approx(0.025 / LIMITS.route_share - 0.025 - LIMITS.route_burst)


async def test_a_route_alone_again_is_free(autojump_clock: MockClock) -> None:
    hot, quiet = two_routes(autojump_clock)
    await quiet.wait()
    await hot.wait()
    hot.work(1)
    await hot.wait()
    await trio.sleep(LIMITS.contention_memory)
    hot.work(1)
    assert await hot.wait() == 0


async def test_waiting_for_events_is_nobody_s_use(autojump_clock: MockClock) -> None:
    hot, quiet = two_routes(autojump_clock)
    await quiet.wait()
    await hot.wait()
    autojump_clock.jump(0.9)
    hot.work(0.001)
    assert await hot.wait() == 0


async def test_a_process_that_stood_still_has_used_nothing(autojump_clock: MockClock) -> None:
    """As with SIGSTOP, or a virtual machine that is moved, in the middle of a step."""
    hot, quiet = two_routes(autojump_clock)
    await quiet.wait()
    await hot.wait()
    hot.work(3)
    await quiet.wait()
    assert await hot.wait() < 2 * LIMITS.route_burst / LIMITS.route_share


async def test_those_who_wait_go_on_one_after_the_other(autojump_clock: MockClock) -> None:
    hot, quiet = two_routes(autojump_clock)
    await quiet.wait()
    await hot.wait()
    for _ in range(10):
        hot.work(0.01)
    gone: list[int] = []

    async def go(number: int) -> None:
        await hot.wait()
        hot.work(0.01)
        gone.append(number)

    async with trio.open_nursery() as nursery:
        for number in range(5):
            nursery.start_soon(go, number)
            await trio.testing.wait_all_tasks_blocked()
        begin = trio.current_time()
    assert gone == [0, 1, 2, 3, 4]
    assert trio.current_time() - begin > 4 * 0.01 / LIMITS.route_share


async def test_time_in_trio_s_wait_is_not_measured() -> None:
    """With Trio's own word on when it waits, and the real clock."""
    fairness = Fairness(LIMITS)
    hot, quiet = Usage(), Usage()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(fairness.run)
        await trio.testing.wait_all_tasks_blocked()
        await fairness.wait_for_share(quiet)
        await fairness.wait_for_share(hot)
        await trio.sleep(0.1)
        fairness.charge(hot)
        assert hot.virtual_time < time.perf_counter()
        nursery.cancel_scope.cancel()
