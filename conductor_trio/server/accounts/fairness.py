"""Fairness of the processor: nobody uses more than their share while somebody else wants something.

One thread serves all, and for what one makes it do the others wait. So what each step of a task takes is charged
to the account of its `Payer`, and to the accounts above that one: a session's to its user's, an unknown visitor's
to that of all strangers. Whoever is over the share of their account, or of one above it, waits before they are
read from again, whatever they send, until time has caught up with what they used.

Who wants something alone is neither measured nor held up.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Hashable, Iterator
from contextvars import ContextVar

import attrs
import trio

from conductor_trio.limits.constants import (
    LEAST_IO_WAIT,
    LONG_STEP,
    LOOP_DELAY_BOUNDS,
    LOOP_DELAY_GOAL,
)
from conductor_trio.limits.server import ServerLimits
from conductor_trio.server.accounts.account import Account, Group, Processor
from conductor_trio.server.accounts.loop_delay import LoopDelay
from conductor_trio.server.accounts.turnstile import Turnstile


@attrs.define(eq=False)
class Payer:
    """Whose account the steps of a task are charged to, and those of the tasks that it starts."""

    account: Account


_payer: ContextVar[Payer | None] = ContextVar("payer", default=None)


def open_payer(account: Account) -> Payer:
    """Have this task, and those that it will start, charged to an account from now on, or to another put there."""
    payer = Payer(account)
    _payer.set(payer)
    return payer


@contextlib.contextmanager
def charged_to(account: Account | None) -> Iterator[None]:
    """Within, have this task charged to another account, or to nobody's; up to the next checkpoint at least."""
    token = _payer.set(None if account is None else Payer(account))
    try:
        yield
    finally:
        _payer.reset(token)


def current_account() -> Account | None:
    """Return the account that this task is charged to, None without one."""
    payer = _payer.get()
    return None if payer is None else payer.account


def payer_of(task: trio.lowlevel.Task) -> tuple[Hashable, Hashable]:
    """Return the account that a task is charged to, below its group; both None without one."""
    payer = task.context.get(_payer)
    return (None, None) if payer is None else (payer.account.group, payer.account)


def use_of(payer: tuple[Hashable, Hashable]) -> tuple[float, float]:
    """Return what such a group, and such an account of it, have used lately, in seconds."""
    group, account = payer
    if not (isinstance(group, Group) and isinstance(account, Account)):
        return 0.0, 0.0
    used = account.lately_used
    return (used if group.account is None else group.account.lately_used), used


async def take_turn() -> None:
    """Let others have their turn, and wait while this task's account is over its share; always a checkpoint."""
    payer = _payer.get()
    if payer is None:
        await trio.lowlevel.checkpoint()
    else:
        await payer.account.take_turn()


async def wait_turn() -> None:
    """Wait while this task's account is over its share, as before each read; no checkpoint otherwise."""
    payer = _payer.get()
    if payer is not None:
        await payer.account.wait_turn()


class Fairness(Processor, trio.abc.Instrument):
    """Measures what each account uses, for as long as several want something."""

    def __init__(
        self,
        limits: ServerLimits,
        clock: Callable[[], float] = time.perf_counter,
        cpu_clock: Callable[[], float] = time.thread_time,
    ) -> None:
        self._clock = clock
        self.stolen = 0.0  #: seconds in which other processes had the processor while a step was under way
        turnstile = Turnstile(payer_of, use_of, lambda: self.is_contended)
        super().__init__(limits, lambda: clock() - self.stolen, turnstile)
        self.delay = LoopDelay(clock)  #: of the event loop, seen by the way
        self.woke_at = self.since  #: when this turn of the event loop began
        self._turn_since = self.since  # the same, of the time that is charged
        self._waits_since = float("-inf")
        self._metered: list[Account] = []  # within this turn of the event loop
        self._meter = _Meter(self, self._metered, clock, cpu_clock)
        self._is_running = self._is_metering = False
        self._watchers = 0

    async def run(self) -> None:
        """Hear from Trio whenever it has waited for events, for ever."""
        trio.lowlevel.add_instrument(self)
        self._is_running = True
        if self.is_contended or self._watchers:
            self._begin_metering()
        try:
            await trio.sleep_forever()
        finally:
            self._is_running = False
            trio.lowlevel.remove_instrument(self)
            self._end_contention()

    def after_io_wait(self, timeout: float) -> None:
        """Charge nobody for the time until now, in which the process has waited (called by Trio).

        Where it has not, looking at the sockets is a part of what the next task makes us do: its step may be
        short.
        """
        self.woke_at = self._clock()
        now = self.woke_at - self.stolen
        if not self._is_metering or self.woke_at - self._waits_since > LEAST_IO_WAIT:
            self.since = now
        if self._is_metering:
            self._turn_since = self.since
            self._meter.begin_turn()
        if self.is_contended and now >= self.contended_until:
            self._end_contention()

    def before_io_wait(self, timeout: float) -> None:
        """See how long this turn of the event loop took, and charge it (called by Trio)."""
        if self._metered:
            for account in self._metered:
                account.settle()
            self._metered.clear()
            self.turnstile.end_turn(self.since - self._turn_since)
        self._waits_since = self._clock()
        if (took := self._waits_since - self.woke_at) > LOOP_DELAY_BOUNDS[0]:
            self.delay.note(took)

    def begin_contention(self, until: float) -> None:
        """Measure what each step of each task takes, until that time."""
        was_contended = self.is_contended
        super().begin_contention(until)
        if self._is_running and not was_contended:
            self._begin_metering()

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Within, measure what each step of each task takes even while nobody is in anybody's way."""
        self._watchers += 1
        if self._is_running:
            self._begin_metering()
        try:
            yield
        finally:
            self._watchers -= 1
            if not self.is_contended:
                self._end_metering()

    def _begin_metering(self) -> None:
        if self._is_metering:
            return
        self._is_metering = True
        self.since = self.now()
        trio.lowlevel.add_instrument(self._meter)

    def _end_contention(self) -> None:
        self.is_contended = False
        self._end_metering()

    def _end_metering(self) -> None:
        if self._is_metering and not (self._watchers and self._is_running):
            self._is_metering = False
            trio.lowlevel.remove_instrument(self._meter)


class _Meter(trio.abc.Instrument):
    """Hears from Trio after each step of a task, which is too much to ask for where nobody is in anybody's way."""

    def __init__(
        self,
        fairness: Fairness,
        metered: list[Account],
        clock: Callable[[], float],
        cpu_clock: Callable[[], float],
    ) -> None:
        self._fairness = fairness
        self._clock = clock
        self._cpu_clock = cpu_clock
        self._metered = metered
        self._used = 0.0  # since the processor's clock was last asked, which takes longer than the other
        self._cpu_since = 0.0

    def begin_turn(self) -> None:
        """Begin to measure another turn of the event loop."""
        self._used, self._cpu_since = 0.0, self._cpu_clock()

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        """Note for the task's account what was used since the last step of any (called by Trio).

        In a step that took long another process may have had the processor. That is nobody's use, and for all
        accounts time stood still: shares are of what this process can have.
        """
        fairness = self._fairness
        now = self._clock() - fairness.stolen
        used = now - fairness.since
        if used > LONG_STEP:
            cpu = self._cpu_clock()
            own = min(used, max(0.0, cpu - self._cpu_since - self._used))
            fairness.stolen += used - own
            now, used = fairness.since + own, own
            self._used, self._cpu_since = 0.0, cpu
        else:
            self._used += used
        fairness.since = now
        payer = task.context.get(_payer)
        if payer is not None:
            account = payer.account
            if not account.metered:
                self._metered.append(account)
            account.metered += used if used < LOOP_DELAY_GOAL else LOOP_DELAY_GOAL
