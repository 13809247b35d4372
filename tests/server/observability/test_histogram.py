"""Times are counted between bounds, each bound in what it bounds, as Prometheus has it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from conductor_trio.server.observability.histogram import Histogram, merged

BOUNDS = (0.1, 1.0, 5.0)
times = st.lists(st.floats(0, 10))


def test_a_bound_is_within() -> None:
    histogram = Histogram(BOUNDS)
    for seconds in (0.0, 0.1, 0.1001, 5.0, 5.1):
        histogram.observe(seconds)
    assert histogram.counts == [2, 1, 1, 1]
    assert histogram.cumulative() == [2, 3, 4, 5] and histogram.count == 5


@given(times)
def test_each_is_counted_where_it_belongs(seconds: list[float]) -> None:
    histogram = Histogram(BOUNDS)
    for one in seconds:
        histogram.observe(one)
    assert histogram.cumulative() == [*(sum(one <= bound for one in seconds) for bound in BOUNDS), len(seconds)]
    assert abs(histogram.sum - sum(seconds)) < 1e-6


@given(times, times)
def test_several_together_are_one_of_all(some: list[float], others: list[float]) -> None:
    one, another, whole = (Histogram(BOUNDS) for _ in range(3))
    for histogram, seconds in ((one, some), (another, others), (whole, some + others)):
        for each in seconds:
            histogram.observe(each)
    both = merged(one, another)
    assert both.counts == whole.counts and abs(both.sum - whole.sum) < 1e-6
