"""What runs in the data plane is counted, and who waits for exchanges to end looks again at each change."""

from __future__ import annotations

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from conductor_trio.server.proxy.activity import Activity


async def wait(activity: Activity, changed: trio.Event) -> None:
    await activity.wait_change()
    changed.set()


@pytest.mark.parametrize("is_parked", [False, True], ids=["ended", "parked"])
async def test_all_who_wait_hear_of_the_next_change(is_parked: bool) -> None:
    activity = Activity(exchanges=2)
    one, other = trio.Event(), trio.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait, activity, one)
        nursery.start_soon(wait, activity, other)
        await wait_all_tasks_blocked()
        assert not one.is_set() and not other.is_set()
        if is_parked:
            activity.note_change()
        else:
            activity.end_exchange()
    assert one.is_set() and other.is_set()
    assert activity.exchanges == (2 if is_parked else 1)
    next_one = trio.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait, activity, next_one)
        await wait_all_tasks_blocked()
        assert not next_one.is_set()
        activity.note_change()


async def test_a_change_before_the_wait_is_none() -> None:
    activity = Activity(exchanges=2)
    activity.end_exchange()
    activity.note_change()
    changed = trio.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait, activity, changed)
        await wait_all_tasks_blocked()
        assert not changed.is_set()
        activity.end_exchange()
    assert activity.exchanges == 0


async def test_one_who_is_cancelled_takes_nobody_along() -> None:
    activity = Activity(exchanges=1)
    changed = trio.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait, activity, changed)
        with trio.CancelScope() as scope:
            scope.cancel()
            await activity.wait_change()
        await wait_all_tasks_blocked()
        activity.end_exchange()
    assert scope.cancelled_caught and changed.is_set()


def test_it_begins_with_nothing() -> None:
    activity = Activity()
    assert (activity.turned_away, activity.exchanges, activity.tunnels) == (0, 0, 0)
    assert not activity.is_draining and not activity.draining.is_set()
