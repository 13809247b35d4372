"""Cyclic garbage that is not young any more: collected when nobody has to wait for it, or when it may be much."""

from __future__ import annotations

import trio

from conductor_trio.interpreter import collect_all, count_looks
from conductor_trio.limits.server import ServerLimits
from conductor_trio.server.accounts.fairness import Fairness


async def collect_garbage(fairness: Fairness, limits: ServerLimits) -> None:
    """Collect what may have gathered, for ever.

    For each look that the collector takes at young objects, there are some thousands more that it does not look at
    again by itself (`interpreter.tune_collector`).
    """
    looked = count_looks()
    while True:
        await trio.sleep(limits.garbage_interval)
        looks = count_looks() - looked
        is_calm = not fairness.is_contended
        if looks >= (limits.min_garbage_looks if is_calm else limits.max_garbage_looks):
            collect_all()
            looked = count_looks()
