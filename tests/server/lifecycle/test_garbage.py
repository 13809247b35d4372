"""Old garbage is collected when nobody is in anybody's way, or when it may be much."""

from __future__ import annotations

import gc
import sys
import weakref

import pytest
import trio
from trio.testing import MockClock

from conductor_trio.limits.server import ServerLimits
from conductor_trio.server.accounts.fairness import Fairness
from conductor_trio.server.lifecycle.garbage import collect_garbage

pytestmark = pytest.mark.skipif(hasattr(sys, "pypy_version_info"), reason="PyPy's collector is another")


class Cycle:
    """Refers to itself, and so waits for the collector."""

    def __init__(self) -> None:
        self.own = self


async def is_collected(limits: ServerLimits, *, is_contended: bool, looks: int) -> bool:
    """Whether old garbage is gone after a while in which the collector has looked so often."""
    fairness = Fairness(limits)
    fairness.is_contended = is_contended
    cycle = Cycle()
    gone = weakref.ref(cycle)
    gc.collect(0)
    gc.freeze()
    del cycle
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(collect_garbage, fairness, limits)
            await trio.testing.wait_all_tasks_blocked()
            for _ in range(looks):
                gc.collect(0)
            await trio.sleep(2 * limits.garbage_interval)
            nursery.cancel_scope.cancel()
        return gone() is None
    finally:
        gc.unfreeze()


@pytest.mark.parametrize(
    ("is_contended", "looks", "expected"),
    [(False, 2, False), (False, 3, True), (True, 4, False), (True, 6, True)],
    ids=["little", "calm", "busy", "much"],
)
async def test_old_garbage(autojump_clock: MockClock, is_contended: bool, looks: int, expected: bool) -> None:
    limits = ServerLimits(min_garbage_looks=3, max_garbage_looks=6)
    gc.disable()
    try:
        assert await is_collected(limits, is_contended=is_contended, looks=looks) is expected
    finally:
        gc.enable()
