"""Cyclic garbage that is not young any more: collected when there may be much, rather while nobody has to wait.

Connections leave none, so what memory tells is the measure: a server that does not grow has no garbage that
matters, however much goes through it. To look takes the longer the more there is, half a second with thousands of
sessions, and nobody is served meanwhile; so what those who are here by now take is no reason to. When they have
gone and their memory has not, the allocator gives back first what nobody uses; what is left may be garbage, and
then there is little to look through.
"""

from __future__ import annotations

from collections.abc import Callable

import attrs
import trio

from conductor_trio.interpreter import (
    LEAVES_GARBAGE,
    collect_all,
    collect_young,
    give_back_memory,
    resident_memory,
)
from conductor_trio.limits.constants import YOUNG_TASKS
from conductor_trio.limits.server import ServerLimits
from conductor_trio.server.accounts.fairness import Fairness


async def collect_garbage(
    fairness: Fairness,
    limits: ServerLimits,
    known_memory: Callable[[], int],
    memory: Callable[[], int] = resident_memory,
) -> None:
    """Collect what may have gathered, for ever, where the collector does not by itself.

    `known_memory` tells what sessions and connections take that are here.
    """
    if not LEAVES_GARBAGE:
        return
    trio.lowlevel.add_instrument(young := YoungObjects())
    try:
        await _collect_old(fairness, limits, known_memory, memory)
    finally:
        trio.lowlevel.remove_instrument(young)


async def _collect_old(
    fairness: Fairness, limits: ServerLimits, known_memory: Callable[[], int], memory: Callable[[], int]
) -> None:
    most, known = memory(), known_memory()  # after any collection
    while True:
        await trio.sleep(limits.garbage_interval)
        is_calm = not fairness.is_contended
        growth = limits.calm_growth if is_calm else limits.busy_growth
        bound = most + max(limits.min_growth, most * growth)
        if memory() - max(0, known_memory() - known) <= bound:
            continue
        give_back_memory()
        if memory() - max(0, known_memory() - known) > bound:
            collect_all()
            most, known = max(most, memory()), known_memory()


@attrs.define(eq=False)
class YoungObjects(trio.abc.Instrument):
    """Has the collector look at what is young whenever so many tasks have begun.

    By itself it looks when so many objects more were made than went. Where as many connections end as begin it
    would not, and then at those of thousands in one go.
    """

    _tasks: int = 0

    def task_spawned(self, task: trio.lowlevel.Task) -> None:
        """Count it (called by Trio)."""
        self._tasks += 1
        if self._tasks == YOUNG_TASKS:
            self._tasks = 0
            collect_young()
