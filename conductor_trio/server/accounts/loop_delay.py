"""The delay of the event loop: for how long at a time everybody who has just come had to wait for everybody else.

Between two looks at the sockets the loop takes a step of each task that can go on. Most such turns take less than
a millisecond, and are not counted; the others tell how long they took.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import attrs

from conductor_trio.limits.constants import LOOP_DELAY_BOUNDS, LOOP_DELAY_MEMORY


@attrs.define(eq=False)
class LoopDelay:
    """How many turns took longer than each bound since the start, and how long the longest lately, in seconds."""

    _clock: Callable[[], float]
    _longer_than: dict[float, int] = attrs.field(init=False)
    sum: float = attrs.field(default=0.0, init=False)  #: of those that took longer than the least bound
    _longest: float = attrs.field(default=0.0, init=False)
    _longest_before: float = attrs.field(default=0.0, init=False)
    _since: float = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._longer_than = dict.fromkeys(LOOP_DELAY_BOUNDS, 0)
        self._since = self._clock()

    def note(self, seconds: float) -> None:
        """Count a turn that took longer than the least bound."""
        self._forget_old()
        self._longest = max(self._longest, seconds)
        self.sum += seconds
        for bound in LOOP_DELAY_BOUNDS:
            if seconds <= bound:
                break
            self._longer_than[bound] += 1

    @property
    def longest(self) -> float:
        """The longest within the last one or two minutes; 0 where none was longer than the least bound."""
        self._forget_old()
        return max(self._longest, self._longest_before)

    @property
    def longer_than(self) -> Mapping[float, int]:
        """For each bound how many turns took longer."""
        return self._longer_than

    def _forget_old(self) -> None:
        elapsed = self._clock() - self._since
        if elapsed > LOOP_DELAY_MEMORY:
            self._longest_before = self._longest if elapsed <= 2 * LOOP_DELAY_MEMORY else 0.0
            self._longest = 0.0
            self._since += elapsed
