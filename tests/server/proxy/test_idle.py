"""Idle connections are cancelled in time, not much later, and soon while the server ends."""

from __future__ import annotations

import itertools

import trio
from trio.testing import MockClock

from conductor_trio.limits.constants import MAX_CANCELLED_AT_ONCE
from conductor_trio.limits.server import ServerLimits
from conductor_trio.server.accounts.gradual import GradualWork
from conductor_trio.server.proxy.cancellation import CancelReason, ConnectionScope
from conductor_trio.server.proxy.idle import IdleReaper
from tests.support.runtimes import reason_of

LIMITS = ServerLimits()


async def test_what_waits_too_long_is_cancelled(autojump_clock: MockClock) -> None:
    reaper = IdleReaper(LIMITS, GradualWork())
    first, second, busy = ConnectionScope(), ConnectionScope(), ConnectionScope()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(reaper.run)
        reaper.begin(first)
        reaper.begin(busy)
        await trio.sleep(LIMITS.idle_timeout / 2)
        reaper.begin(second)
        reaper.end(busy)
        reaper.end(busy)  # again does no harm
        await trio.sleep(LIMITS.idle_timeout * 0.45)
        assert reason_of(first) is None
        await trio.sleep(LIMITS.idle_timeout * 0.2)
        assert reason_of(first) is CancelReason.IDLE
        assert reason_of(second) is None
        await trio.sleep(LIMITS.idle_timeout / 2)
        assert reason_of(second) is CancelReason.IDLE and reason_of(busy) is None
        nursery.cancel_scope.cancel()


async def test_many_are_not_cancelled_in_one_turn(autojump_clock: MockClock) -> None:
    gradual = GradualWork()
    reaper = IdleReaper(LIMITS, gradual)
    connections = [ConnectionScope() for _ in range(100)]
    counts = [0]

    class Turns(trio.abc.Instrument):
        def before_io_wait(self, timeout: float) -> None:
            counts.append(len([one for one in connections if reason_of(one)]))
            if counts[-1] and not counts[-2]:
                reaper.end(connections[-1])  # it asks
                reaper.begin(connections[-1])

    async with trio.open_nursery() as nursery:
        nursery.start_soon(reaper.run)
        nursery.start_soon(gradual.run)
        await trio.testing.wait_all_tasks_blocked()
        for connection in connections:
            reaper.begin(connection)
        trio.lowlevel.add_instrument(watch := Turns())
        await trio.sleep(1.2 * LIMITS.idle_timeout)
        trio.lowlevel.remove_instrument(watch)
        assert counts[-1] == 99 and reason_of(connections[-1]) is None
        assert max(after - before for before, after in itertools.pairwise(counts)) <= 2 * MAX_CANCELLED_AT_ONCE
        nursery.cancel_scope.cancel()


async def test_many_do_not_end_in_one_turn_with_the_server(autojump_clock: MockClock) -> None:
    reaper = IdleReaper(LIMITS, GradualWork())
    connections = [ConnectionScope() for _ in range(100)]
    for connection in connections:
        reaper.begin(connection)
    reaper.begin_drain()
    deadlines = [connection.scope.deadline for connection in connections]
    assert max(deadlines.count(deadline) for deadline in deadlines) == MAX_CANCELLED_AT_ONCE
    assert LIMITS.drain_idle_timeout <= max(deadlines) <= LIMITS.drain_idle_timeout + 0.1


async def test_nobody_waits_long_while_the_server_ends(autojump_clock: MockClock) -> None:
    reaper = IdleReaper(LIMITS, GradualWork())
    before, after = ConnectionScope(), ConnectionScope()
    reaper.begin(before)
    reaper.begin_drain()
    reaper.begin(after)
    for connection in (before, after):
        with connection.scope:
            await trio.sleep_forever()
        assert connection.reason is CancelReason.DRAINED
    assert trio.current_time() == LIMITS.drain_idle_timeout
