"""Each step of each task is charged to its payer while several want something; measured by Trio's own word."""

from __future__ import annotations

import time

import pytest
import trio
import trio.testing

from conductor_trio.limits.constants import LEAST_IO_WAIT, LOOP_DELAY_GOAL
from conductor_trio.limits.server import ServerLimits
from conductor_trio.server.accounts.account import Account, Group
from conductor_trio.server.accounts.fairness import (
    Fairness,
    charged_to,
    current_account,
    open_payer,
    take_turn,
    wait_turn,
)

LIMITS = ServerLimits(processor_share=0.5, processor_burst=0.02, contention_memory=1.0)


class Measured:
    """Trio's own word on each step, and a clock that moves only with the work done."""

    def __init__(self) -> None:
        self.time = 100.0
        self.stolen = 0.0  # of it, by other processes
        self.fairness = Fairness(LIMITS, lambda: self.time, lambda: self.time - self.stolen)
        self.everybody = Group(self.fairness, None, LIMITS.processor_share_of_all)

    def account(self) -> Account:
        return Account(self.everybody)

    def contend(self) -> None:
        for _ in range(2):
            self.account().is_throttled()


async def test_each_step_of_a_task_is_charged_to_its_payer() -> None:
    measured = Measured()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(measured.fairness.run)
        await trio.testing.wait_all_tasks_blocked()
        measured.contend()
        accounts = [measured.account() for _ in range(3)]

        async def step(seconds: float) -> None:
            await trio.lowlevel.checkpoint()
            measured.time += seconds
            await trio.lowlevel.checkpoint()

        async def work(account: Account, seconds: float) -> None:
            open_payer(account)
            await step(seconds)
            async with trio.open_nursery() as own:  # what it starts is charged to the same  # noqa: ASYNC112
                own.start_soon(step, seconds)

        async def change(before: Account, after: Account) -> None:
            payer = open_payer(before)
            await step(0.001)
            payer.account = after
            await step(0.003)

        async with trio.open_nursery() as workers:
            workers.start_soon(work, accounts[0], 0.002)
            workers.start_soon(change, accounts[1], accounts[2])
            workers.start_soon(step, 0.005)  # nobody's
        assert [account.lately_used for account in accounts] == pytest.approx([0.004, 0.001, 0.003])
        nursery.cancel_scope.cancel()


async def test_what_other_processes_take_is_nobody_s_use() -> None:
    """And for as long as they took it, time stood still for all accounts."""
    measured = Measured()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(measured.fairness.run)
        await trio.testing.wait_all_tasks_blocked()
        measured.contend()
        busy, quiet = measured.account(), measured.account()

        async def work(account: Account, seconds: float, stolen: float) -> None:
            open_payer(account)
            for _ in range(40):
                measured.time += seconds + stolen
                measured.stolen += stolen
                await trio.lowlevel.checkpoint()

        for _ in range(2):
            async with trio.open_nursery() as workers:
                workers.start_soon(work, busy, 0.0009, 0.0)
                workers.start_soon(work, quiet, 0.0001, 0.004)
        assert busy.lately_used == pytest.approx(80 * 0.0009)
        assert quiet.lately_used == pytest.approx(80 * 0.0001, rel=0.1)
        assert measured.fairness.stolen == pytest.approx(80 * 0.004, rel=0.01)
        assert measured.fairness.now() == pytest.approx(100 + 80 * 0.001, abs=0.001)
        nursery.cancel_scope.cancel()


async def test_no_step_is_measured_where_one_is_alone() -> None:
    measured = Measured()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(measured.fairness.run)
        await trio.testing.wait_all_tasks_blocked()
        account = measured.account()
        open_payer(account)
        for _ in range(3):
            await wait_turn()
            measured.time += 1
            await take_turn()
        assert account.caught_up_at == 0.0
        measured.contend()
        measured.time += 0.001
        await take_turn()
        assert account.caught_up_at > 0.0
        measured.time += 2 * LIMITS.contention_memory
        await trio.testing.wait_all_tasks_blocked()
        before = account.caught_up_at
        measured.time += 0.001
        await trio.lowlevel.checkpoint()
        assert account.caught_up_at == before and not measured.fairness.is_contended
        nursery.cancel_scope.cancel()


async def test_one_who_is_alone_is_measured_while_somebody_looks() -> None:
    measured = Measured()
    account = measured.account()

    async def work() -> None:
        open_payer(account)
        await trio.lowlevel.checkpoint()
        measured.time += 0.001
        await trio.lowlevel.checkpoint()

    with measured.fairness.watching():  # from before it runs
        async with trio.open_nursery() as nursery:
            nursery.start_soon(measured.fairness.run)
            await trio.testing.wait_all_tasks_blocked()
            with measured.fairness.watching():
                nursery.start_soon(work)
                await trio.testing.wait_all_tasks_blocked()
            assert account.used == pytest.approx(0.001)
            nursery.start_soon(work)
            await trio.testing.wait_all_tasks_blocked()
            assert account.used == pytest.approx(0.002)
            # Nobody is held up for it, and contention begins and ends as ever.
            assert not account.is_over() and not account.is_waited_for
            measured.contend()
            nursery.cancel_scope.cancel()
    async with trio.open_nursery() as nursery:
        measured.time += 10
        nursery.start_soon(measured.fairness.run)
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(work)
        await trio.testing.wait_all_tasks_blocked()
        assert account.used == pytest.approx(0.002)
        nursery.cancel_scope.cancel()


async def test_a_task_without_an_account_only_lets_others_have_their_turn() -> None:
    with trio.testing.assert_no_checkpoints():
        await wait_turn()
    with trio.testing.assert_checkpoints():
        await take_turn()


async def test_time_in_trio_s_wait_is_not_measured() -> None:
    """With Trio's own word on when it waits, and the real clock."""
    fairness = Fairness(LIMITS)
    everybody = Group(fairness, None, LIMITS.processor_share_of_all)
    hot, quiet = Account(everybody), Account(everybody)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(fairness.run)
        await trio.testing.wait_all_tasks_blocked()
        open_payer(hot)
        await quiet.wait_turn()
        await hot.wait_turn()
        await trio.sleep(0.1)
        await trio.lowlevel.checkpoint()
        assert 0 < hot.caught_up_at < time.perf_counter()
        nursery.cancel_scope.cancel()


async def test_a_task_can_be_charged_to_another_for_a_while() -> None:
    measured = Measured()
    own, other = measured.account(), measured.account()
    assert current_account() is None
    with charged_to(other):
        assert current_account() is other
    assert current_account() is None
    open_payer(own)
    with charged_to(None):
        assert current_account() is None
    assert current_account() is own


async def test_a_process_that_stood_still_has_used_little() -> None:
    """As with SIGSTOP, or a virtual machine that is moved, in the middle of a step."""
    measured = Measured()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(measured.fairness.run)
        await trio.testing.wait_all_tasks_blocked()
        measured.contend()
        account = measured.account()
        open_payer(account)
        await trio.lowlevel.checkpoint()
        measured.time += 0.5
        await trio.lowlevel.checkpoint()
        assert 0 < account.lately_used <= LOOP_DELAY_GOAL
        nursery.cancel_scope.cancel()


async def test_to_look_at_the_sockets_is_charged_and_to_wait_is_not() -> None:
    measured = Measured()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(measured.fairness.run)
        await trio.testing.wait_all_tasks_blocked()
        measured.contend()
        account = measured.account()
        open_payer(account)
        await trio.lowlevel.checkpoint()
        for took, used in ((LEAST_IO_WAIT / 2, LEAST_IO_WAIT / 2), (2 * LEAST_IO_WAIT, 0.0)):
            before = account.lately_used
            measured.fairness.before_io_wait(0)
            measured.time += took
            measured.fairness.after_io_wait(0)
            await trio.lowlevel.checkpoint()
            assert account.lately_used - before == pytest.approx(used, abs=1e-9)
        nursery.cancel_scope.cancel()
