"""Cyclic garbage that is not young any more: collected when there may be much, rather while nobody has to wait.

Connections leave none, so what memory tells is the measure: a server that does not grow has no garbage that
matters, however much goes through it. One that has thousands of connections at once for the first time grows as
well, and is looked through in vain; but neither they nor any others bring that about twice.
"""

from __future__ import annotations

from collections.abc import Callable

import trio

from conductor_trio.interpreter import LEAVES_GARBAGE, collect_all, resident_memory
from conductor_trio.limits.server import ServerLimits
from conductor_trio.server.accounts.fairness import Fairness


async def collect_garbage(
    fairness: Fairness, limits: ServerLimits, memory: Callable[[], int] = resident_memory
) -> None:
    """Collect what may have gathered, for ever, where the collector does not by itself."""
    if not LEAVES_GARBAGE:
        return
    most = memory()  # after any collection
    while True:
        await trio.sleep(limits.garbage_interval)
        is_calm = not fairness.is_contended
        growth = limits.calm_growth if is_calm else limits.busy_growth
        if memory() > most + max(limits.min_growth, most * growth):
            collect_all()
            most = max(most, memory())
