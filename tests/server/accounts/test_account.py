"""Who waits for whom where several want the processor; its time is the test's."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from conductor_trio.limits.server import ServerLimits
from conductor_trio.server.accounts.account import Account, Group
from conductor_trio.server.accounts.fairness import Fairness

LIMITS = ServerLimits(processor_share=0.5, processor_burst=0.02, contention_memory=1.0)


class Route:
    """One who works and waits."""

    def __init__(self, clock: MockClock, group: Group, *, is_occasional: bool = False) -> None:
        self._clock = clock
        self.account = Account(group, is_occasional=is_occasional)
        assert isinstance(group.processor, Fairness)
        self.fairness = group.processor

    def work(self, seconds: float) -> None:
        """Use the processor for that long, in one go."""
        self.fairness.after_io_wait(0)
        self._clock.jump(seconds)
        self.fairness.since += seconds
        self.account.charge(seconds)

    async def wait(self) -> float:
        """Return how long it has to wait before it may go on."""
        begin = trio.current_time()
        self.fairness.after_io_wait(0)
        await self.account.wait_turn()
        return trio.current_time() - begin


def make_everybody(clock: MockClock) -> Group:
    return Group(Fairness(LIMITS, clock.current_time, clock.current_time), None, LIMITS.processor_share_of_all)


def make_user(everybody: Group) -> Group:
    return Group(everybody.processor, Account(everybody), LIMITS.processor_share)


def two_routes(clock: MockClock) -> tuple[Route, Route]:
    everybody = make_everybody(clock)
    return Route(clock, everybody), Route(clock, everybody)


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


async def work_beside(hot: Route, quiet: Route) -> float:
    """Have one do as much as it may within ten seconds, in seconds, while another that never waits does little."""
    begin = trio.current_time()
    worked = 0.0
    while trio.current_time() < begin + 10:
        assert await quiet.wait() == 0
        await hot.wait()
        hot.work(0.002)
        worked += 0.002
        quiet.work(0.0001)
    return worked


async def test_a_route_gets_its_share_while_another_wants_something(autojump_clock: MockClock) -> None:
    hot, quiet = two_routes(autojump_clock)
    worked = await work_beside(hot, quiet)
    assert worked == pytest.approx(10 * LIMITS.processor_share, rel=0.02)


async def test_who_uses_as_much_elsewhere_gets_half_of_the_share(autojump_clock: MockClock) -> None:
    hot, quiet = two_routes(autojump_clock)
    hot.account.weight = 2.0
    worked = await work_beside(hot, quiet)
    assert worked == pytest.approx(10 * LIMITS.processor_share / 2, rel=0.02)
    assert hot.account.used == pytest.approx(worked)
    used = hot.account.lately_used
    hot.account.weight = 1.0
    assert hot.account.lately_used == used / 2


async def test_a_burst_is_let_through(autojump_clock: MockClock) -> None:
    hot, quiet = two_routes(autojump_clock)
    await quiet.wait()
    await hot.wait()
    await trio.sleep(0.5)
    hot.work(0.015)
    assert await hot.wait() == 0
    hot.work(0.010)
    # What 25 ms of use take at half of the time, without those that have passed, and those that it may be ahead.
    assert await hot.wait() == pytest.approx(0.025 / LIMITS.processor_share - 0.025 - LIMITS.processor_burst)


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
    assert trio.current_time() - begin > 4 * 0.01 / LIMITS.processor_share


async def work_on(route: Route, worked: dict[Route, float]) -> None:
    """Work for ever, as much as it may."""
    while True:
        await route.wait()
        route.work(0.002)
        worked[route] += 0.002
        await trio.lowlevel.checkpoint()


async def run_beside(quiet: Route, hot: list[Route], seconds: float) -> dict[Route, float]:
    """Have the hot ones work as much as they may, and return how much each did; the quiet one never waits."""
    worked = dict.fromkeys(hot, 0.0)
    with trio.move_on_after(seconds):
        async with trio.open_nursery() as nursery:
            for route in hot:
                nursery.start_soon(work_on, route, worked)
            while True:
                assert await quiet.wait() == 0
                quiet.work(0.0001)
                await trio.sleep(0.01)
    return worked


async def test_twenty_sessions_of_a_user_get_what_one_gets(autojump_clock: MockClock) -> None:
    everybody = make_everybody(autojump_clock)
    user = make_user(everybody)
    quiet = Route(autojump_clock, make_user(everybody))
    hot = [Route(autojump_clock, user) for _ in range(20)]
    one = await run_beside(quiet, hot[:1], 10)
    assert sum(one.values()) == pytest.approx(10 * LIMITS.processor_share, rel=0.05)
    all_ = await run_beside(quiet, hot, 10)
    assert sum(all_.values()) < 10.1 * LIMITS.processor_share
    assert max(all_.values()) < 3 * min(all_.values())


async def test_a_user_s_sessions_leave_that_user_s_own_quiet_one_its_turn(autojump_clock: MockClock) -> None:
    user = make_user(make_everybody(autojump_clock))
    quiet, *hot = (Route(autojump_clock, user) for _ in range(21))
    worked = await run_beside(quiet, hot, 10)
    assert sum(worked.values()) < 16 * LIMITS.processor_share


async def test_where_all_are_busy_nothing_is_idle(autojump_clock: MockClock) -> None:
    user = make_user(make_everybody(autojump_clock))
    worked = {Route(autojump_clock, user): 0.0 for _ in range(5)}
    with trio.move_on_after(10):
        async with trio.open_nursery() as nursery:
            for route in worked:
                nursery.start_soon(work_on, route, worked)
    assert sum(worked.values()) > 10 * 0.94  # at first, one that has not had its turn counts as not busy


async def test_many_users_leave_little_of_the_processor_idle(autojump_clock: MockClock) -> None:
    everybody = make_everybody(autojump_clock)
    quiet, *hot = (Route(autojump_clock, everybody) for _ in range(5))
    worked = await run_beside(quiet, hot, 10)
    assert sum(worked.values()) == pytest.approx(10 * LIMITS.processor_share_of_all, rel=0.1)


async def test_each_below_an_account_comes_when_its_turn_is(autojump_clock: MockClock) -> None:
    """However many come for one of them: those wait behind one another."""
    everybody = make_everybody(autojump_clock)
    strangers, other = make_user(everybody), Route(autojump_clock, everybody)
    flood, visitor = Route(autojump_clock, strangers), Route(autojump_clock, strangers)
    await other.wait()
    await flood.wait()
    for _ in range(50):
        flood.work(0.01)
    gone: list[str] = []

    async def go(route: Route, name: str) -> None:
        await route.wait()
        route.work(0.01)
        gone.append(name)

    async with trio.open_nursery() as nursery:
        for _ in range(20):
            nursery.start_soon(go, flood, "flood")
            await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(go, visitor, "visitor")
    assert gone.index("visitor") <= 1 and gone.count("flood") == 20


async def test_a_user_s_quiet_session_comes_before_the_busy_ones_that_wait_already(
    autojump_clock: MockClock,
) -> None:
    everybody = make_everybody(autojump_clock)
    other, user = Route(autojump_clock, everybody), make_user(everybody)
    quiet, *hot = (Route(autojump_clock, user) for _ in range(6))
    for route in (other, quiet, *hot):
        await route.wait()
    for _ in range(20):
        for route in hot:  # none of them is over its own share, but the user is
            route.work(0.004)
    gone: list[Route] = []

    async def go(route: Route) -> None:
        await route.wait()
        route.work(0.004)
        gone.append(route)

    async with trio.open_nursery() as nursery:
        for route in (*hot, quiet):
            nursery.start_soon(go, route)
            await trio.testing.wait_all_tasks_blocked()
    assert gone.index(quiet) <= 1 and len(gone) == 6


async def test_of_those_who_wait_together_who_has_used_least_comes_next(autojump_clock: MockClock) -> None:
    user = make_user(make_everybody(autojump_clock))
    quiet, *hot = (Route(autojump_clock, user) for _ in range(4))
    for route in (quiet, *hot):
        await route.wait()
    for route, count in zip(hot, (30, 10, 20), strict=True):
        for _ in range(count):
            route.work(0.001)
    gone: list[Route] = []

    async def go(route: Route) -> None:
        await route.account.queue_up()
        route.work(0.001)
        gone.append(route)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(go, hot[0])
        await trio.testing.wait_all_tasks_blocked()
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as given_up:
                given_up.start_soon(go, hot[1])
                await trio.testing.wait_all_tasks_blocked()
                scope.cancel()
        for route in (hot[2], hot[1]):
            nursery.start_soon(go, route)
            await trio.testing.wait_all_tasks_blocked()
    assert set(gone) == set(hot)


async def test_who_wants_something_now_and_then_has_nobody_measured(autojump_clock: MockClock) -> None:
    everybody = make_everybody(autojump_clock)
    hot = Route(autojump_clock, everybody)
    client = Route(autojump_clock, everybody, is_occasional=True)
    for _ in range(5):
        await hot.wait()
        await client.wait()
        hot.work(1)
        assert await hot.wait() == 0
        await trio.sleep(2)
    await client.wait()
    await client.wait()  # again within a second
    for _ in range(3):
        hot.work(0.02)
    assert await hot.wait() > 0


async def test_the_time_that_somebody_waits_is_counted_once(autojump_clock: MockClock) -> None:
    everybody = make_everybody(autojump_clock)
    hot, other = Route(autojump_clock, make_user(everybody)), Route(autojump_clock, make_user(everybody))
    processor = everybody.processor
    await trio.sleep(2)
    assert processor.throttled == 0.0
    for route in (hot, other):
        assert await route.wait() == 0
    hot.work(0.5)
    waited = await hot.wait()
    assert waited > 0 and processor.throttled == pytest.approx(waited)
