"""One account's lines of one kind have a rate, what was withheld is counted, and memory is bounded."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from conductor_trio.limits.constants import LOG_RATE_INTERVAL, MAX_LOG_ACCOUNTS, MAX_LOG_LINES
from conductor_trio.line_rate import LineKind, LineRate

ALICE = LineKind("refused", ("user", "alice"))
BOB = LineKind("refused", ("user", "bob"))


def test_what_is_beyond_the_rate_is_counted_and_told_when_the_minute_is_over() -> None:
    rate = LineRate()
    admitted = [rate.admit(ALICE, 0.0) for _ in range(MAX_LOG_LINES + 312)]
    assert admitted == [True] * MAX_LOG_LINES + [False] * 312
    assert rate.admit(BOB, 1.0) and rate.admit(LineKind("refused"), 1.0) and rate.admit(LineKind("live"), 1.0)
    assert rate.take_due(LOG_RATE_INTERVAL - 1) == []
    assert rate.take_due(LOG_RATE_INTERVAL) == [(ALICE, 312)]
    assert rate.admit(ALICE, LOG_RATE_INTERVAL)
    assert rate.take_due(math.inf) == [] and rate.due_at == math.inf


@given(st.lists(st.tuples(st.sampled_from([ALICE, BOB]), st.floats(0, 30), st.integers(1, 90)), max_size=40))
def test_every_line_is_written_or_told_of(lines: list[tuple[LineKind, float, int]]) -> None:
    rate = LineRate()
    now, shown, told = 0.0, 0, 0
    for kind, pause, count in lines:
        now += pause
        for _ in range(count):
            told += sum(more for _, more in rate.take_due(now))
            shown += rate.admit(kind, now)
    told += sum(more for _, more in rate.take_due(math.inf))
    assert shown + told == sum(count for _, _, count in lines)
    assert shown <= 2 * MAX_LOG_LINES * (1 + now / LOG_RATE_INTERVAL)


def test_too_many_accounts_share_one() -> None:
    rate = LineRate()
    admitted = sum(rate.admit(LineKind("lost", ("address", str(number))), 0.0) for number in range(10_000))
    assert admitted == MAX_LOG_ACCOUNTS + MAX_LOG_LINES
    assert len(rate) == MAX_LOG_ACCOUNTS + 1
