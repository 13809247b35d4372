"""Few pass in a turn of the event loop, first those who work for who has used least."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from conductor_trio.limits.constants import MAX_PASSING, MAX_PASSING_ALONE, MIN_PASSING, PASSING_TIME
from conductor_trio.server.accounts.turnstile import Payer, Turnstile

COUNT = 100


class Passing(trio.abc.Instrument):
    """A turnstile whose users have names, and what passed it in each turn."""

    def __init__(self) -> None:
        self.payers: dict[str, Payer] = {}
        self.use: dict[Hashable, float] = {}
        self.is_contended = True
        self.cost: float | None = None  # of a step, in seconds, where it is told
        self.turns: list[list[str]] = [[]]
        self.turnstile = Turnstile(
            lambda task: self.payers.get(task.name, (task.name, task.name)),
            lambda payer: (self.use.get(payer[0], 0.0), self.use.get(payer[1], 0.0)),
            lambda: self.is_contended,
        )

    def after_io_wait(self, timeout: float) -> None:
        """Begin a turn, as the poller does (called by Trio)."""
        self.turns.append([])
        self.turnstile.begin_turn()

    def before_io_wait(self, timeout: float) -> None:
        """Tell what the turn has used (called by Trio)."""
        if self.cost is not None and self.turns[-1]:
            self.turnstile.end_turn(self.cost * len(self.turns[-1]))

    @property
    def counts(self) -> list[int]:
        """How many passed in each turn in which any did."""
        return [len(turn) for turn in self.turns if turn]

    @property
    def order(self) -> list[str]:
        """Who passed, one after the other."""
        return list(itertools.chain(*self.turns))

    async def take(self) -> None:
        await self.turnstile.take_turn()
        self.turns[-1].append(trio.lowlevel.current_task().name)

    async def queue_up(self, *names: str) -> None:
        """Have tasks of these names pass, all of which come in the same turn; returns when all have."""
        async with trio.open_nursery() as nursery:
            for name in names:
                nursery.start_soon(self.take, name=name)


@asynccontextmanager
async def open_turnstile() -> AsyncIterator[Passing]:
    passing = Passing()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(passing.turnstile.run)
        await wait_all_tasks_blocked()
        trio.lowlevel.add_instrument(passing)
        try:
            yield passing
        finally:
            trio.lowlevel.remove_instrument(passing)
            nursery.cancel_scope.cancel()


async def test_few_of_all_pass_in_a_turn_however_many_users_there_are() -> None:
    async with open_turnstile() as passing:
        await passing.queue_up(*(f"user{number % 20}" for number in range(COUNT)))
        assert len(passing.order) == COUNT
        assert max(passing.counts) == MAX_PASSING


async def test_who_wants_something_alone_is_not_held_up() -> None:
    async with open_turnstile() as passing:
        passing.is_contended = False
        await passing.queue_up(*["alone"] * COUNT)
        assert passing.counts == [COUNT]
        assert passing.turnstile.has_room(MAX_PASSING_ALONE)
        assert not passing.turnstile.has_room(MAX_PASSING_ALONE + 1)


async def test_whose_user_has_used_least_comes_first_though_they_came_last() -> None:
    async with open_turnstile() as passing:
        passing.use = {"busy": 0.3, "less busy": 0.2, "quiet": 0.001}
        await passing.queue_up(*["busy"] * COUNT, *["less busy"] * COUNT, "quiet", "quiet")
        first = next(turn for turn in passing.turns if turn)
        assert first.count("quiet") == 2
        last = [turn for turn in passing.turns if "less busy" in turn][-1]
        assert passing.turns.index(last) < COUNT  # the busy ones' turn comes, too
        assert passing.order.index("busy") > passing.order.index("less busy")


async def test_within_a_user_the_session_that_has_used_least_comes_first() -> None:
    async with open_turnstile() as passing:
        passing.payers = {"hot": ("user", "hot"), "mild": ("user", "mild")}
        passing.use = {"user": 1.0, "hot": 0.9, "mild": 0.1}
        await passing.queue_up(*["hot"] * COUNT, "mild")
        assert "mild" in next(turn for turn in passing.turns if turn)


async def test_those_who_have_used_alike_take_turns() -> None:
    async with open_turnstile() as passing:
        await passing.queue_up(*["one"] * COUNT, *["another"] * COUNT)
        half = passing.order[:COUNT]
        assert abs(half.count("one") - half.count("another")) <= MAX_PASSING


@pytest.mark.parametrize(("cost", "most"), [(1e-6, MAX_PASSING), (PASSING_TIME / 3.5, 3), (1.0, MIN_PASSING)])
async def test_fewer_pass_where_each_takes_long(cost: float, most: int) -> None:
    async with open_turnstile() as passing:
        passing.cost = cost
        await passing.queue_up(*["user"] * 10 * COUNT)
        assert passing.counts[-2] == most


async def test_who_is_cancelled_while_they_wait_takes_nobody_s_turn() -> None:
    async with open_turnstile() as passing:
        with trio.CancelScope() as scope:
            scope.cancel()
            await passing.queue_up(*["gone"] * COUNT)
        await passing.queue_up(*["here"] * MAX_PASSING)
        assert passing.counts == [MAX_PASSING]


async def test_nobody_waits_for_a_turnstile_that_does_not_run_or_not_any_more() -> None:
    passing = Passing()
    await passing.queue_up("before")
    async with trio.open_nursery() as nursery, trio.open_nursery() as running:
        running.start_soon(passing.turnstile.run)
        await trio.lowlevel.checkpoint()
        for _ in range(COUNT):
            nursery.start_soon(passing.take, name="meanwhile")
        await trio.lowlevel.checkpoint()
        assert passing.order == ["before"]  # nobody begins a turn
        running.cancel_scope.cancel()
    assert passing.order == ["before", *["meanwhile"] * COUNT]
