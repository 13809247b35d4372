"""Cyclic garbage that is not young any more: collected when there may be much, rather while nobody has to wait.

Connections leave none, so what memory tells is the measure: a server that does not grow has no garbage that
matters, however much goes through it. To look takes the longer the more there is, half a second with thousands of
sessions, and nobody is served meanwhile; so what those who are here by now take is no reason to. When they have
gone and their memory has not, it may be garbage, and then there is little to look through.
"""

from __future__ import annotations

from collections.abc import Callable

import trio

from conductor_trio.interpreter import LEAVES_GARBAGE, collect_all, resident_memory
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
    most, population_then = memory(), population()  # after any collection
    while True:
        await trio.sleep(limits.garbage_interval)
        is_calm = not fairness.is_contended
        growth = limits.calm_growth if is_calm else limits.busy_growth
        of_others = max(0, population() - population_then) * limits.memory_of_one
        if memory() - of_others > most + max(limits.min_growth, most * growth):
            collect_all()
            most, population_then = max(most, memory()), population()
