"""Work for many at once is done for a few in each turn of the event loop."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import trio
import trio.lowlevel
from trio.testing import MockClock, wait_all_tasks_blocked

from conductor_trio.limits.constants import MAX_CANCELLED_AT_ONCE
from conductor_trio.limits.server import ServerLimits
from conductor_trio.server.accounts.account import Account, Group
from conductor_trio.server.accounts.fairness import Fairness, charged_to
from conductor_trio.server.accounts.gradual import GradualWork


def count_to(count: int, done: list[int]) -> Iterator[None]:
    for number in range(count):
        done.append(number)
        yield


@pytest.mark.parametrize("count", [0, 1, MAX_CANCELLED_AT_ONCE - 1, MAX_CANCELLED_AT_ONCE, 100])
async def test_all_is_done_and_the_first_at_once(count: int) -> None:
    done: list[int] = []
    gradual = GradualWork()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(gradual.run)
        await wait_all_tasks_blocked()
        gradual.begin(count_to(count, done))
        assert len(done) == min(count, MAX_CANCELLED_AT_ONCE)
        before = len(done)
        while len(done) < count:
            await trio.lowlevel.checkpoint()
            assert len(done) - before <= 2 * MAX_CANCELLED_AT_ONCE  # a turn has tasks in any order
            before = len(done)
        nursery.cancel_scope.cancel()
    assert done == list(range(count))


async def test_while_nobody_looks_after_it_all_is_done_at_once() -> None:
    done: list[int] = []
    gradual = GradualWork()
    gradual.begin(count_to(100, done))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(gradual.run)
        await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    gradual.begin(count_to(100, done))
    assert len(done) == 200


async def make_busy_account(clock: MockClock) -> Account:
    """Return the account of somebody who is over their share, while somebody else wants something, too."""
    limits = ServerLimits(processor_share=0.5, processor_burst=0.02)
    everybody = Group(Fairness(limits, clock.current_time, clock.current_time), None, 1.0)
    own, other = Account(everybody), Account(everybody)
    for account in (own, other):
        await account.wait_turn()
    own.charge(0.2)
    return own


async def test_whom_it_is_done_for_waits_while_over_their_share(autojump_clock: MockClock) -> None:
    own = await make_busy_account(autojump_clock)
    done: list[int] = []
    gradual = GradualWork()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(gradual.run)
        await wait_all_tasks_blocked()
        gradual.begin(count_to(100, done), own)
        await trio.sleep(0.1)
        assert len(done) == MAX_CANCELLED_AT_ONCE
        await trio.sleep(0.5)
        assert len(done) == 100
        nursery.cancel_scope.cancel()


async def test_what_is_charged_to_nobody_waits_for_nobodys_share(autojump_clock: MockClock) -> None:
    own = await make_busy_account(autojump_clock)
    done: list[int] = []
    gradual = GradualWork()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(gradual.run)
        await wait_all_tasks_blocked()
        with charged_to(own):
            gradual.begin(count_to(100, done))
        await trio.sleep(0.1)
        assert len(done) == 100
        nursery.cancel_scope.cancel()
