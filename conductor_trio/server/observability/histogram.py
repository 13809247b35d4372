"""Histograms: how many of some times were up to each bound, and their sum; plain lists, quickly changed."""

from __future__ import annotations

from bisect import bisect_left
from itertools import accumulate

import attrs


@attrs.define(eq=False)
class Histogram:
    """Times in seconds, counted between bounds; the last count is that of those beyond all of them."""

    bounds: tuple[float, ...]
    counts: list[int] = attrs.field(init=False)
    sum: float = attrs.field(default=0.0, init=False)

    def __attrs_post_init__(self) -> None:
        self.counts = [0] * (len(self.bounds) + 1)

    def observe(self, seconds: float) -> None:
        """Count a time."""
        self.counts[bisect_left(self.bounds, seconds)] += 1
        self.sum += seconds

    @property
    def count(self) -> int:
        """How many there were."""
        return sum(self.counts)

    def cumulative(self) -> list[int]:
        """Return for each bound how many were not beyond it, and at last how many there were."""
        return list(accumulate(self.counts))


def merged(*histograms: Histogram) -> Histogram:
    """Return one histogram of several with the same bounds."""
    whole = Histogram(histograms[0].bounds)
    whole.counts = [sum(counts) for counts in zip(*(one.counts for one in histograms), strict=True)]
    whole.sum = sum(one.sum for one in histograms)
    return whole
