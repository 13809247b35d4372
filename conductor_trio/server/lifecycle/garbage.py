"""Cyclic garbage that is not young any more: collected when there may be much, rather while nobody has to wait.

Connections leave none, so what memory tells is the measure: a server that does not grow has no garbage that
matters, however much goes through it. To look takes the longer the more there is, half a second with thousands of
sessions, and nobody is served meanwhile; so what those who are here by now take is no reason to. When they have
gone and their memory has not, it may be garbage, and then there is little to look through.
"""

from __future__ import annotations

from collections.abc import Callable

import attrs
import trio

from conductor_trio.interpreter import LEAVES_GARBAGE, collect_all, collect_young, resident_memory
from conductor_trio.limits.constants import YOUNG_TASKS
from conductor_trio.limits.server import ServerLimits
from conductor_trio.server.accounts.fairness import Fairness


async def collect_garbage(
    fairness: Fairness,
    limits: ServerLimits,
    population: Callable[[], int],
    memory: Callable[[], int] = resident_memory,
) -> None:
    """Collect what may have gathered, for ever, where the collector does not by itself.

    `population` tells how many sessions and connections there are.
    """
    if not LEAVES_GARBAGE:
        return
    trio.lowlevel.add_instrument(young := YoungObjects())
    try:
        await _collect_old(fairness, limits, population, memory)
    finally:
        trio.lowlevel.remove_instrument(young)


async def _collect_old(
    fairness: Fairness, limits: ServerLimits, population: Callable[[], int], memory: Callable[[], int]
) -> None:
    most, population_then = memory(), population()  # after any collection
    while True:
        await trio.sleep(limits.garbage_interval)
        is_calm = not fairness.is_contended
        growth = limits.calm_growth if is_calm else limits.busy_growth
        of_others = max(0, population() - population_then) * limits.memory_of_one
        if memory() - of_others > most + max(limits.min_growth, most * growth):
            collect_all()
            most, population_then = max(most, memory()), population()


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
