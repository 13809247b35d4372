"""Deadlines are over a few at a time, however late the event loop comes to look, and none is forgotten."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

import trio
from trio.testing import wait_all_tasks_blocked

from conductor_trio.limits.constants import MAX_CANCELLED_AT_ONCE, TURN_SPACING
from conductor_trio.server.lifecycle.paced_clock import PacedClock, run_paced

COUNT = 400


class Time:
    """A time that passes only where it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Turns(trio.abc.Instrument):
    """Counts the turns of the event loop, and in each how many tasks woke up."""

    def __init__(self) -> None:
        self.woken: list[int] = [0]

    def before_io_wait(self, timeout: float) -> None:
        """Make an end of a turn (called by Trio)."""
        self.woken.append(0)

    def note(self) -> None:
        """Count a task that woke up."""
        self.woken[-1] += 1


def wake_after_jump(deadlines: Sequence[float], jump: float) -> Turns:
    """Have tasks sleep for these times, and then all the time pass in one moment; return the turns since."""
    passing, turns = Time(), Turns()
    clock = PacedClock(passing)

    async def sleep_until(deadline: float) -> None:
        await trio.sleep_until(deadline)
        assert trio.current_time() >= deadline
        turns.note()

    async def main() -> None:
        begin = trio.current_time()
        async with trio.open_nursery() as nursery:
            for deadline in deadlines:
                nursery.start_soon(sleep_until, begin + deadline)
            await wait_all_tasks_blocked()
            trio.lowlevel.add_instrument(turns)
            passing.now += jump
            assert trio.current_time() == begin + jump

    trio.run(main, clock=clock)
    assert sum(turns.woken) == len(deadlines)
    return turns


def test_what_was_spread_over_time_stays_so_when_the_process_has_stood_still() -> None:
    spread = [1 + number // MAX_CANCELLED_AT_ONCE * TURN_SPACING for number in range(COUNT)]
    turns = wake_after_jump(spread, jump=10.0)
    assert max(turns.woken) <= 2 * MAX_CANCELLED_AT_ONCE  # the ends of one spacing among them


def test_nobody_waits_for_times_at_which_nothing_is_over() -> None:
    turns = wake_after_jump([1.0, 600.0, 3600.0], jump=4000.0)
    assert len(turns.woken) < 20


def test_all_is_over_in_time_where_tasks_go_on_all_the_time() -> None:
    """Then the loop never waits for the next deadline, and so nobody tells the clock of it."""

    async def main() -> None:
        async with trio.open_nursery() as nursery:

            async def be_busy() -> None:
                while True:  # noqa: ASYNC110
                    await trio.lowlevel.checkpoint()

            nursery.start_soon(be_busy)
            for late in (0.001, 0.01, 0.03):
                begin = trio.current_time()
                await trio.sleep(late)
                assert trio.current_time() - begin >= late
            nursery.cancel_scope.cancel()

    run_paced(main)


def test_a_loop_without_deadlines_waits_for_events() -> None:
    async def main(result: str) -> str:
        assert trio.current_effective_deadline() == math.inf
        await wait_all_tasks_blocked()
        await trio.to_thread.run_sync(time.sleep, 0.01)
        return result

    assert run_paced(main, "done") == "done"


def test_a_deadline_that_is_over_already_holds_at_once() -> None:
    async def main() -> bool:
        with trio.CancelScope(deadline=trio.current_time() - 1) as scope:
            await trio.lowlevel.checkpoint()
        return scope.cancelled_caught

    assert run_paced(main)
