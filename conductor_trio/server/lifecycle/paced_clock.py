"""The event loop's clock, by which deadlines are over a few at a time, however late the loop comes to look.

What would be over for thousands at the same moment is spread over time (`TURN_SPACING`). But a process that has
not run for a tenth of a second, since others had the processor or it was stopped, would find twenty-five times as
many over at once, and whoever had just come would wait for all of them. So in each turn of the loop only those
deadlines count as over that are within one spacing, and what has come from the network goes on between them.

Only when a deadline counts as over is later by that; what the time is, everybody hears as it is.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from time import perf_counter
from typing import TypeVar, TypeVarTuple

import trio

from conductor_trio.limits.constants import TURN_SPACING

Result = TypeVar("Result")
Arguments = TypeVarTuple("Arguments")


def run_paced(main: Callable[[*Arguments], Awaitable[Result]], *arguments: *Arguments) -> Result:
    """Run a server's event loop, as `trio.run` does."""
    return trio.run(main, *arguments, clock=PacedClock())


class PacedClock(trio.abc.Clock, trio.abc.Instrument):
    """Tells the time, and Trio's loop, when it looks which deadlines are over, a time that does not jump.

    The loop asks once in each turn, first of all after it has waited for events. Whatever asked before it would
    hear that time as well, which does no harm.
    """

    def __init__(self, clock: Callable[[], float] = perf_counter) -> None:
        self._clock = clock
        self._next = -math.inf  # the next deadline, where the loop was about to wait for it
        self._looked = -math.inf  # up to when deadlines are over by now
        self._look: float | None = None  # the time that the loop is to be told

    def start_clock(self) -> None:
        """Begin (called by Trio)."""
        self._looked = self._clock()
        trio.lowlevel.add_instrument(self)

    def current_time(self) -> float:
        """Return the time in seconds, and in a turn's first moment the time by which deadlines are over."""
        if self._look is None:
            return self._clock()
        look, self._look = self._look, None
        return look

    def deadline_to_sleep_time(self, deadline: float) -> float:
        """Return for how long to wait for a deadline, which is the next one (called by Trio)."""
        self._next = deadline
        return deadline - self._clock()

    def after_io_wait(self, timeout: float) -> None:
        """Take another look, from the next deadline on or where the last look ended (called by Trio)."""
        # Without any deadline the next one is at infinity, and there is nothing to see.
        self._look = self._looked = min(self._clock(), max(self._looked, self._next) + TURN_SPACING)
        self._next = -math.inf
