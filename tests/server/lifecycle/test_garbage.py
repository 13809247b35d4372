"""Old garbage is collected when memory has grown, and sooner when nobody is in anybody's way."""

from __future__ import annotations

import gc
import sys
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import pytest
import trio
from trio.testing import MockClock

from conductor_trio.interpreter import resident_memory
from conductor_trio.limits.constants import MIB, YOUNG_TASKS
from conductor_trio.limits.server import ServerLimits
from conductor_trio.server.accounts.fairness import Fairness
from conductor_trio.server.lifecycle import garbage
from conductor_trio.server.lifecycle.garbage import collect_garbage

pytestmark = pytest.mark.skipif(hasattr(sys, "pypy_version_info"), reason="PyPy's collector is another")

LIMITS = ServerLimits()


class Cycle:
    """Refers to itself, and so waits for the collector."""

    def __init__(self) -> None:
        self.own = self


@contextmanager
def old_cycle() -> Iterator[Callable[[], bool]]:
    """Have old garbage within; gives whether it is gone."""
    gc.disable()
    try:
        cycle = Cycle()
        gone = weakref.ref(cycle)
        gc.collect(0)
        gc.freeze()
        del cycle
        yield lambda: gone() is None
    finally:
        gc.unfreeze()
        gc.enable()


async def is_collected(*, is_contended: bool, memory: Sequence[int], population: Sequence[int] = ()) -> list[bool]:
    """Whether old garbage is gone, at the end of each interval with so many MiB in use, and so many there."""
    fairness = Fairness(LIMITS)
    fairness.is_contended = is_contended
    is_gone = []
    sizes = [size * MIB for size in memory]
    now, there = sizes[0], 0
    populations = population or [0] * (len(memory) - 1)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(collect_garbage, fairness, LIMITS, lambda: there * LIMITS.memory_of_one, lambda: now)
        await trio.testing.wait_all_tasks_blocked()
        for now, there in zip(sizes[1:], populations, strict=True):  # noqa: B007 - what the collection asks
            with old_cycle() as has_gone:
                await trio.sleep(LIMITS.garbage_interval)
                await trio.testing.wait_all_tasks_blocked()
                is_gone.append(has_gone())
        nursery.cancel_scope.cancel()
    return is_gone


@pytest.mark.parametrize(
    ("is_contended", "memory", "expected"),
    [
        (False, [100, 100, 124], [False, False]),
        (False, [100, 126, 126], [True, False]),
        (False, [40, 55, 57], [False, True]),
        (True, [100, 190, 201], [False, True]),
        (True, [100, 201, 201, 300, 403], [True, False, False, True]),
    ],
    ids=["steady", "calm", "small", "busy", "doubled"],
)
async def test_old_garbage_goes_when_memory_has_grown(
    autojump_clock: MockClock, is_contended: bool, memory: list[int], expected: list[bool]
) -> None:
    assert await is_collected(is_contended=is_contended, memory=memory) == expected


async def test_memory_that_comes_and_goes_is_no_reason_to_look_again(autojump_clock: MockClock) -> None:
    sizes = [100, *[300, 100] * 5]
    assert await is_collected(is_contended=False, memory=sizes) == [True, *[False] * 9]


async def test_the_process_s_own_memory_is_what_counts(autojump_clock: MockClock) -> None:
    fairness = Fairness(LIMITS)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(collect_garbage, fairness, LIMITS, lambda: 0)
        await trio.testing.wait_all_tasks_blocked()
        with old_cycle() as has_gone:
            grown = bytearray(b"x") * (resident_memory() + 2 * LIMITS.min_growth)
            await trio.sleep(LIMITS.garbage_interval)
            await trio.testing.wait_all_tasks_blocked()
            assert has_gone()
        del grown
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("is_contended", [False, True])
async def test_what_those_take_who_are_here_is_no_reason_to_look(
    autojump_clock: MockClock, *, is_contended: bool
) -> None:
    is_gone = await is_collected(is_contended=is_contended, memory=[50, 250, 250], population=[8000, 8000])
    assert is_gone == [False, False]


async def test_what_they_leave_is_and_once(autojump_clock: MockClock) -> None:
    sizes, population = [50, 250, 250, 250, 250], [8000, 10, 10, 8000]
    is_gone = await is_collected(is_contended=False, memory=sizes, population=population)
    assert is_gone == [False, True, False, False]


async def test_what_is_more_than_they_take_is(autojump_clock: MockClock) -> None:
    assert await is_collected(is_contended=False, memory=[50, 250], population=[1000]) == [True]


async def test_what_is_young_is_looked_at_however_many_go_meanwhile() -> None:
    """As many connections end as begin: by count, there is nothing new."""
    young = 0

    def note(phase: str, info: Mapping[str, int]) -> None:
        nonlocal young
        if phase == "start":
            young = max(young, len(gc.get_objects(generation=0)))

    async def be_there() -> None:
        held: list[list[int]] = [[] for _ in range(20)]
        await trio.sleep(10 + len(held))

    thresholds = gc.get_threshold()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(collect_garbage, Fairness(LIMITS), LIMITS, lambda: 0)
        await trio.testing.wait_all_tasks_blocked()
        gc.collect()
        gc.callbacks.append(note)
        gc.set_threshold(1_000_000)  # as if as many went: what goes hides what is new
        try:
            for _ in range(10 * YOUNG_TASKS):
                nursery.start_soon(be_there)
                await trio.lowlevel.checkpoint()
        finally:
            gc.set_threshold(*thresholds)
            gc.callbacks.remove(note)
        nursery.cancel_scope.cancel()
    assert 0 < young < 100 * YOUNG_TASKS


async def test_what_the_allocator_gives_back_is_no_reason_to_look(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of handshakes of TLS that nobody has finished it keeps hundreds of MiB, which is nobody's garbage."""
    size = 50 * MIB

    def give_back() -> None:
        nonlocal size
        size = 60 * MIB

    monkeypatch.setattr(garbage, "give_back_memory", give_back)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(collect_garbage, Fairness(LIMITS), LIMITS, lambda: 0, lambda: size)
        await trio.testing.wait_all_tasks_blocked()
        size = 300 * MIB
        with old_cycle() as has_gone:
            await trio.sleep(LIMITS.garbage_interval)
            await trio.testing.wait_all_tasks_blocked()
            assert size == 60 * MIB and not has_gone()
        nursery.cancel_scope.cancel()
