"""The turnstile: few tasks pass in one turn of the event loop, those first who work for who has used least.

All that can go on would run before anybody who comes a moment later, and they can be thousands: requests that have
come, tunnels with a byte each, uploads of which more is here, downloads that have room again. So while several
want something, whoever could read or send, or lets others have their turn, waits here. One who has used next to
nothing then waits for a few steps of others, however many of these there are, and whoever they work for.
"""

from __future__ import annotations

import heapq
import itertools
from collections import deque
from collections.abc import Callable, Hashable

import attrs
import trio

from conductor_trio.limits.constants import (
    MAX_PASSING,
    MAX_PASSING_ALONE,
    MIN_PASSING,
    PASSING_MEMORY,
    PASSING_TIME,
)
from conductor_trio.net.poller import TaskWait, Wait

#: Whom a task works for: somebody of a group.
Payer = tuple[Hashable, Hashable]


@attrs.define(eq=False)
class _Group:
    """Who waits of a group, by payer; `order` is a heap."""

    waits: dict[Hashable, deque[Wait]] = attrs.field(factory=dict)
    order: list[tuple[float, int, Hashable]] = attrs.field(factory=list)


class Turnstile:
    """Lets few pass in a turn, for as long as `run` runs; before and after, all.

    The group that has used least lately comes first, and within it who has; of those who have used alike, who came
    first. `payer_of` tells whom a task works for, `use_of` what a payer's group and the payer have used lately.
    """

    def __init__(
        self,
        payer_of: Callable[[trio.lowlevel.Task], Payer],
        use_of: Callable[[Payer], tuple[float, float]],
        is_contended: Callable[[], bool],
    ) -> None:
        self._payer_of = payer_of
        self._use_of = use_of
        self._is_contended = is_contended
        self._groups: dict[Hashable, _Group] = {}
        self._order: list[tuple[float, int, Hashable]] = []  # a heap
        self._waits: set[Wait] = set()
        self._numbers = itertools.count()
        self._is_running = False
        self._resting: TaskWait | None = None  # while nobody waits
        self._passed = 0  # in this turn
        self._cost = PASSING_TIME / MAX_PASSING  # of one who passes, lately

    async def run(self) -> None:
        """Have the event loop wait for no event while somebody waits here, for ever."""
        self._is_running = True
        try:
            while True:
                if self._order:
                    await trio.lowlevel.checkpoint()
                else:
                    self._resting = TaskWait()
                    await self._resting.wait()
        finally:
            self._is_running = False
            self._pass_some(len(self._waits))

    @property
    def is_needed(self) -> bool:
        """Whether several want something, so that nobody is to go on without having passed."""
        return self._is_running and self._is_contended()

    def has_room(self, count: int) -> bool:
        """Whether so many may all go on in this turn."""
        if not self._is_running:
            return True
        return not self._order and count <= self._most

    async def take_turn(self) -> None:
        """Let others have their turn; always a checkpoint."""
        if self.is_needed:
            wait = TaskWait()
            self.queue(wait)
            await wait.wait()
        else:
            await trio.lowlevel.checkpoint()

    def queue(self, wait: Wait) -> None:
        """Have one who waits go on when it is their turn, unless they are here already."""
        if wait.waiting is None or wait in self._waits:
            return
        self._waits.add(wait)
        payer = name, who = self._payer_of(wait.waiting)
        of_group, of_payer = self._use_of(payer)
        group = self._groups.get(name)
        if group is None:
            group = self._groups[name] = _Group()
            heapq.heappush(self._order, (of_group, next(self._numbers), name))
        waits = group.waits.get(who)
        if waits is None:
            waits = group.waits[who] = deque()
            heapq.heappush(group.order, (of_payer, next(self._numbers), who))
        waits.append(wait)
        if self._resting is not None:
            self._resting.wake()
            self._resting = None

    def begin_turn(self) -> None:
        """Let some of those pass who wait here; for the poller, once it has looked what has come."""
        if self._order:
            self._passed = most = self._most
            self._pass_some(most)

    def end_turn(self, used: float) -> None:
        """Let more or fewer pass from now on, by the seconds that this turn has used."""
        if self._passed:
            self._cost += (used / self._passed - self._cost) / PASSING_MEMORY
            self._passed = 0

    @property
    def _most(self) -> int:
        if not self._is_contended():
            return MAX_PASSING_ALONE
        return max(MIN_PASSING, min(MAX_PASSING, int(PASSING_TIME / self._cost)))

    def _pass_some(self, most: int) -> None:
        while self._order and most > 0:
            name = self._order[0][2]
            group = self._groups[name]
            who = group.order[0][2]
            waits = group.waits[who]
            wait = waits.popleft()
            self._waits.discard(wait)
            most -= wait.wake()
            of_group, of_payer = self._use_of((name, who))
            if waits:
                heapq.heapreplace(group.order, (of_payer, next(self._numbers), who))
            else:
                heapq.heappop(group.order)
                del group.waits[who]
            if group.order:
                heapq.heapreplace(self._order, (of_group, next(self._numbers), name))
            else:
                heapq.heappop(self._order)
                del self._groups[name]
