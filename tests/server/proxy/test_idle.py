"""Idle connections are cancelled in time, not much later, and soon while the server ends."""

from __future__ import annotations

import trio
from trio.testing import MockClock

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
