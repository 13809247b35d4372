"""Fairness of the processor: no route uses more than its share while another one wants something.

One thread serves all routes, and for what one of them uses of it the others wait. So that is measured, and a route
over its share waits, before its next request or piece of a body, until time has caught up with it. A route that
wants something alone is neither measured nor held up.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import attrs
import trio

from conductor_trio.limits.server import ServerLimits


@attrs.define(eq=False)
class Usage:
    """What one route has used of the processor."""

    #: When time will have caught up with it, if that was to be no more than the share.
    virtual_time: float = 0.0
    #: Held by the first of those that wait.
    queue: trio.Lock = attrs.field(factory=trio.Lock)


class Fairness(trio.abc.Instrument):
    """Measures what each route uses, and has those wait that are over their share."""

    def __init__(self, limits: ServerLimits, clock: Callable[[], float] = time.perf_counter) -> None:
        self._limits = limits
        self._clock = clock
        self._since = clock()  #: since when whoever is charged next has used the processor
        self._last: Usage | None = None
        self._contended_until = self._since

    async def run(self) -> None:
        """Hear from Trio whenever it has waited for events, for ever."""
        trio.lowlevel.add_instrument(self)
        try:
            await trio.sleep_forever()
        finally:
            trio.lowlevel.remove_instrument(self)

    def after_io_wait(self, timeout: float) -> None:
        """Charge nobody for the time until now, in which the process has waited (called by Trio)."""
        self._since = self._clock()

    def charge(self, usage: Usage) -> None:
        """Put what was used since the last charge of any route on this one."""
        since = self._since
        if since < self._contended_until:
            now = self._since = self._clock()
            limits = self._limits
            # No step takes longer than a burst: somebody else had the processor, or the whole process stood still.
            used = min(now - since, limits.route_burst)
            usage.virtual_time = max(usage.virtual_time, since - limits.route_burst) + used / limits.route_share

    def is_throttled(self, usage: Usage) -> bool:
        """Whether the route is over its share, and another one has wanted something lately."""
        since = self._since
        if usage is not self._last:
            if self._last is not None:
                self._contended_until = since + self._limits.contention_memory
            self._last = usage
        return since < self._contended_until and (usage.virtual_time > since or usage.queue.locked())

    async def wait_for_share(self, usage: Usage) -> None:
        """Wait until the route is within its share, behind those of the same route that came before."""
        if self.is_throttled(usage):
            async with usage.queue:  # in the order of their coming
                self.charge(usage)
                await trio.sleep(max(0.0, usage.virtual_time - self._clock()))

    async def yield_if_over_share(self, usage: Usage) -> None:
        """Charge the route, then wait as `wait_for_share` does; for between two pieces of a body."""
        self.charge(usage)
        await self.wait_for_share(usage)
