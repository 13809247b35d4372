"""How long the event loop's turns take is counted beyond a millisecond; the longest is remembered for a while."""

from __future__ import annotations

import trio
import trio.testing

from conductor_trio.limits.constants import LOOP_DELAY_BOUNDS, LOOP_DELAY_MEMORY
from conductor_trio.limits.server import ServerLimits
from conductor_trio.server.accounts.fairness import Fairness
from conductor_trio.server.accounts.loop_delay import LoopDelay


class Time:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_turns_are_counted_by_what_they_were_longer_than() -> None:
    delay = LoopDelay(Time())
    for seconds in (0.002, 0.006, 0.006, 2.0):
        delay.note(seconds)
    assert delay.longer_than[0.001] == 4 and delay.longer_than[0.0025] == 3
    assert delay.longer_than[0.005] == 3 and delay.longer_than[0.01] == delay.longer_than[1.0] == 1
    assert delay.longest == 2.0 and abs(delay.sum - 2.014) < 1e-9


def test_the_longest_is_forgotten_after_a_while() -> None:
    clock = Time()
    delay = LoopDelay(clock)
    delay.note(0.5)
    clock.now += LOOP_DELAY_MEMORY + 1
    delay.note(0.2)
    assert delay.longest == 0.5
    clock.now += LOOP_DELAY_MEMORY + 1
    assert delay.longest == 0.2
    clock.now += 3 * LOOP_DELAY_MEMORY
    assert delay.longest == 0.0
    assert delay.longer_than[LOOP_DELAY_BOUNDS[0]] == 2


async def test_trio_tells_of_each_turn() -> None:
    clock = Time()
    fairness = Fairness(ServerLimits(), clock, clock)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(fairness.run)
        await trio.testing.wait_all_tasks_blocked()
        assert fairness.delay.longest == 0.0
        clock.now += 0.02
        await trio.lowlevel.checkpoint()
        assert fairness.delay.longer_than[0.01] == 1 and fairness.delay.longer_than[0.025] == 0
        nursery.cancel_scope.cancel()
