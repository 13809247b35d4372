"""Guessing is slowed for each key on its own, recovers with time, and costs bounded memory."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from conductor_trio.limits.server import ServerLimits
from conductor_trio.server.accounts.throttle import TokenThrottle

LIMITS = ServerLimits(max_token_failures=3, token_failure_interval=2.0, max_token_failure_wait=7.0)


def test_some_failures_cost_nothing_then_each_costs_more() -> None:
    throttle = TokenThrottle(LIMITS)
    assert [throttle.note_failure("key", 0.0) for _ in range(8)] == [0, 0, 0, 2, 4, 6, 7, 7]


def test_time_forgives() -> None:
    throttle = TokenThrottle(LIMITS)
    for _ in range(4):
        throttle.note_failure("key", 0.0)
    assert throttle.note_failure("key", 2.0) == 2  # one was forgiven, and one has come
    assert throttle.note_failure("key", 100.0) == 0


def test_each_key_is_on_its_own() -> None:
    throttle = TokenThrottle(LIMITS)
    for _ in range(10):
        throttle.note_failure(("peer", "route"), 0.0)
    assert throttle.note_failure(("peer", "other"), 0.0) == 0
    assert throttle.note_failure(("other", "route"), 0.0) == 0


@given(st.lists(st.floats(0, 5), max_size=50))
def test_answers_come_at_the_rate_allowed(pauses: list[float]) -> None:
    """One who waits for each answer gets no more than the first few and one in each interval."""
    throttle = TokenThrottle(
        ServerLimits(max_token_failures=3, token_failure_interval=2.0, max_token_failure_wait=1e9)
    )
    now = 0.0
    for answered, pause in enumerate(pauses, start=1):
        now += pause
        wait = throttle.note_failure("key", now)
        assert wait >= 0
        now += wait
        assert answered <= 3 + now / 2.0 + 1


def test_memory_is_bounded() -> None:
    throttle = TokenThrottle(LIMITS)
    for number in range(30_000):
        throttle.note_failure(number, 0.0)
    assert len(throttle) <= 10_000
