"""The grace outlasts a cancellation, but neither its deadline nor a wish to hurry."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from conductor_trio.grace import open_grace


@pytest.mark.parametrize("is_cancelled", [True, False])
async def test_what_is_finished_in_time_is_finished(is_cancelled: bool, autojump_clock: MockClock) -> None:
    steps = []
    with trio.CancelScope() as scope:
        if is_cancelled:
            scope.cancel()
        async with open_grace(5, trio.Event()):
            await trio.sleep(4)
            steps.append("within")
        steps.append("after")
        await trio.lowlevel.checkpoint()
    assert steps == ["within", "after"]
    assert scope.cancelled_caught is is_cancelled


async def test_what_is_not_finished_in_time_is_cut(autojump_clock: MockClock) -> None:
    async with open_grace(5, trio.Event()):
        await trio.sleep(100)
    assert trio.current_time() == 5


async def test_whoever_hurries_cuts_it(autojump_clock: MockClock) -> None:
    hurry = trio.Event()
    async with trio.open_nursery() as nursery:

        @nursery.start_soon
        async def hurry_up() -> None:
            await trio.sleep(1)
            hurry.set()

        async with open_grace(5, hurry):
            await trio.sleep(100)
    assert trio.current_time() == 1
