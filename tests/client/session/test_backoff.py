"""Each pause is longer than the one before, up to the longest, and no two clients wait for the same time."""

from __future__ import annotations

import pytest

from conductor_trio.client.session.backoff import Backoff
from conductor_trio.limits.client import ClientLimits

LIMITS = ClientLimits(redial_pause=1.0, redial_growth=2.0)


def test_pauses_grow_up_to_the_longest() -> None:
    backoff = Backoff(LIMITS)
    for full in (1, 2, 4, 8, 10, 10):
        assert full / 2 <= backoff.take(10) <= full


def test_a_shorter_longest_pause_holds_from_the_next_on() -> None:
    backoff = Backoff(LIMITS)
    for _ in range(10):
        backoff.take(1000)
    assert backoff.take(3) <= 3
    assert 3 <= backoff.take(1000) <= 6


def test_after_a_reset_it_begins_anew() -> None:
    backoff = Backoff(LIMITS)
    for _ in range(10):
        backoff.take(1000)
    backoff.reset()
    assert 0.5 <= backoff.take(1000) <= 1


def test_clients_of_one_gateway_do_not_come_back_at_once() -> None:
    pauses = sorted(Backoff(LIMITS).take(1000) for _ in range(1000))
    assert len(set(pauses)) > 990
    assert pauses[0] < 0.55 and pauses[-1] > 0.95


@pytest.mark.parametrize("outage", [10.0, 60.0, 600.0])
def test_an_outage_is_over_for_us_soon_after_it_is_over(outage: float) -> None:
    """About a quarter more than it lasted, as the limits promise, or the longest pause."""
    limits = ClientLimits()
    for _ in range(20):
        backoff, waited = Backoff(limits), 0.0
        while waited < outage:
            waited += backoff.take(limits.max_redial_pause)
        assert waited - outage <= min(limits.max_redial_pause, outage / 2)
