"""Why a connection was cancelled: the first reason counts, whether somebody said it or a deadline stood for it."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from conductor_trio.server.proxy.cancellation import CancelReason, ConnectionScope


@pytest.mark.parametrize("reason", CancelReason)
async def test_who_cancels_says_why(reason: CancelReason) -> None:
    connection = ConnectionScope()
    with connection.scope:
        connection.cancel(reason)
        await trio.sleep_forever()
    assert connection.reason is reason


async def test_the_first_reason_counts() -> None:
    connection = ConnectionScope()
    connection.cancel(CancelReason.VISITOR_GONE)
    connection.cancel(CancelReason.SESSION_ENDED)
    assert connection.reason is CancelReason.VISITOR_GONE


async def test_a_deadline_stands_for_its_reason(autojump_clock: MockClock) -> None:
    connection = ConnectionScope()
    with connection.scope:
        connection.set_deadline(trio.current_time() + 1, CancelReason.DRAINED)
        connection.set_deadline(trio.current_time() + 2, CancelReason.LATE_HEAD)
        await trio.sleep_forever()
    assert trio.current_time() == 2
    connection.cancel(CancelReason.SESSION_ENDED)  # too late
    assert connection.reason is CancelReason.LATE_HEAD


async def test_a_deadline_that_was_cleared_stands_for_nothing(autojump_clock: MockClock) -> None:
    connection = ConnectionScope()
    with connection.scope:
        connection.set_deadline(trio.current_time() + 1, CancelReason.LATE_HEAD)
        connection.clear_deadline()
        await trio.sleep(10)
        connection.cancel(CancelReason.ACCESS_ENDED)
        await trio.sleep_forever()
    assert trio.current_time() == 10
    assert connection.reason is CancelReason.ACCESS_ENDED
