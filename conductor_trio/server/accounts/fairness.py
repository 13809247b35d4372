"""Fairness of the processor: nobody uses more than their share while somebody else wants something.

One thread serves all, and for what one makes it do the others wait. So what each step of a task takes is charged
to the account of its `Payer`, and to the accounts above that one: a session's to its user's, an unknown visitor's
to that of all strangers. Whoever is over the share of their account, or of one above it, waits before they are
read from again, whatever they send, until time has caught up with what they used.

Who wants something alone is neither measured nor held up.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Iterator
from contextvars import ContextVar

import attrs
import trio

from conductor_trio.limits.constants import LOOP_DELAY_BOUNDS
from conductor_trio.limits.server import ServerLimits
from conductor_trio.server.accounts.loop_delay import LoopDelay


@attrs.define(eq=False)
class Group:
    """Accounts beside one another, all of which are charged to `account`, too; without one: all that there are.

    Each may use a share of what their common account may, and all that are busy together no more than
    `share_of_all` of that. Who is busy has used more lately than an equal part of it; others find the rest free.
    """

    fairness: Fairness
    account: Account | None
    share_of_all: float
    last: Account | None = attrs.field(default=None, init=False)  #: who wanted something last
    contended_until: float = attrs.field(
        default=float("-inf"), init=False
    )  #: several have wanted something lately
    #: When time will have caught up with all together, if they were to use no more than their share.
    caught_up_at: float = attrs.field(default=0.0, init=False)
    #: Of those who wait for that, held by the first, so that everybody's turn comes.
    turns: trio.Lock = attrs.field(factory=trio.Lock, init=False)
    # What is used within this period, and the sum of its squares, one for each account; and the same of the last.
    period: int = attrs.field(default=0, init=False)
    _period_began_at: float = attrs.field(default=float("-inf"), init=False)
    _use: float = attrs.field(default=0.0, init=False)
    _squares: float = attrs.field(default=0.0, init=False)
    _use_before: float = attrs.field(default=0.0, init=False)
    _squares_before: float = attrs.field(default=0.0, init=False)
    _rate: float = attrs.field(default=1.0, init=False)  # of use that all together may have, of the whole

    def note_wish(self, account: Account, now: float) -> None:
        """Note who of the group wants something, so that they are measured for a while if others have, too."""
        if self.last is not account:
            if self.last is not None:
                self.contended_until = now + self.fairness.limits.contention_memory
                self.fairness.begin_contention(self.contended_until)
            self.last = account

    def charge(self, seconds: float, begin: float, share: float) -> None:
        """Put a use of the processor since `begin` on all together, who have that share of the whole at most."""
        limits = self.fairness.limits
        self._rate = share * self.share_of_all
        self.caught_up_at = max(self.caught_up_at, begin - limits.processor_burst) + seconds / self._rate
        if (since := begin - self._period_began_at) > limits.use_period:
            is_next = since < 2 * limits.use_period
            self._use_before, self._squares_before = (self._use, self._squares) if is_next else (0.0, 0.0)
            self._use = self._squares = 0.0
            self.period += 1 if is_next else 2
            self._period_began_at = begin
        self._use += seconds

    def note_growth(self, before: float, seconds: float) -> None:
        """Note that one of them uses so much more within this period than they had before."""
        self._squares += seconds * (2 * before + seconds)

    def equal_part(self, now: float) -> float:
        """Return the seconds that each of those who use much may have used within this period and the last.

        Their number is the square of the sum over the sum of the squares, for which those who use little hardly
        count (as in Jain's index of fairness).
        """
        use, squares, elapsed = self._use, self._squares, now - self._period_began_at
        if self._squares_before:
            use, squares = self._use_before, self._squares_before
            elapsed += self.fairness.limits.use_period
        return self._rate * elapsed * squares / (use * use) if use else math.inf


@attrs.define(eq=False)
class Account:
    """Somebody's use of the processor."""

    group: Group
    #: Whether what it wants counts only if it is the second time within `contention_memory`. A client answers a
    #: ping now and then, which is no reason to measure anybody.
    is_occasional: bool = False
    #: When time will have caught up with it, if it was to use no more than its share.
    caught_up_at: float = attrs.field(default=0.0, init=False)
    _wanted_at: float = attrs.field(default=float("-inf"), init=False)
    #: Held by the first of those that wait, who come one after the other.
    _queue: trio.Lock = attrs.field(factory=trio.Lock, init=False)
    # What it has used within a period of the group's, and within the one before.
    _period: int = attrs.field(default=0, init=False)
    _use: float = attrs.field(default=0.0, init=False)
    _use_before: float = attrs.field(default=0.0, init=False)

    @property
    def fairness(self) -> Fairness:
        """What measures it."""
        return self.group.fairness

    def is_throttled(self) -> bool:
        """Note that it wants something; returns whether it has to wait, since somebody else does, too."""
        fairness = self.group.fairness
        if fairness.last is not self:
            self.note_wish()
        return fairness.is_contended and self.is_over()

    def note_wish(self) -> None:
        """Note that it wants something, so that it is measured for a while if others do, too."""
        fairness = self.group.fairness
        now = fairness.since
        if self.is_occasional:
            before, self._wanted_at = self._wanted_at, now
            if now - before > fairness.limits.contention_memory:
                return
        account: Account | None = self
        fairness.last = self
        while account is not None:
            account.group.note_wish(account, now)
            account = account.group.account

    def is_over(self) -> bool:
        """Whether it, or an account above it, is over its share, or others wait for that already."""
        now = self.group.fairness.since
        account: Account | None = self
        while account is not None:
            group = account.group
            if group.contended_until > now and (
                account.caught_up_at > now
                or account._queue.locked()
                or (group.caught_up_at > now and account._is_busy(now))
            ):
                return True
            account = group.account
        return False

    @property
    def lately_used(self) -> float:
        """What it has used within the last two periods, in seconds, as far as that was measured."""
        missed = self.group.period - self._period
        return self._use + self._use_before if missed == 0 else self._use if missed == 1 else 0.0

    def _is_busy(self, now: float) -> bool:
        return self.lately_used > self.group.equal_part(now)

    def charge(self, seconds: float) -> float:
        """Put a use of the processor, until now, on it and on those above it; returns its share of the whole."""
        group = self.group
        limits, above = group.fairness.limits, group.account
        share = 1.0 if above is None else above.charge(seconds)
        begin = group.fairness.since - seconds
        if group.contended_until > begin:
            group.charge(seconds, begin, share)
            share *= limits.processor_share
            self.caught_up_at = max(self.caught_up_at, begin - limits.processor_burst) + seconds / share
            if missed := group.period - self._period:
                self._use_before = self._use if missed == 1 else 0.0
                self._use, self._period = 0.0, group.period
            group.note_growth(self._use, seconds)
            self._use += seconds
        return share

    async def wait_turn(self) -> None:
        """Wait until it is within its share, if somebody else wants something; no checkpoint otherwise."""
        if self.is_throttled():
            await self.queue_up()

    async def take_turn(self) -> None:
        """Let others have their turn, and wait as `wait_turn` does; always a checkpoint."""
        if self.is_throttled():
            await self.queue_up()
        else:
            await trio.lowlevel.checkpoint()

    async def queue_up(self) -> None:
        """Wait as long as it, or an account above it, is over its share, behind those that came before.

        Only the first who waits for an account waits among those of others, so that everybody's turn comes,
        however many come for one of them. Always a checkpoint.
        """
        group = self.group
        async with self._queue:
            await _catch_up(self, group)
            now = group.fairness.now()
            if group.caught_up_at > now and self._is_busy(now):
                async with group.turns:
                    await _catch_up(group, group)
            if group.account is not None:
                await group.account.queue_up()


async def _catch_up(debtor: Account | Group, group: Group) -> None:
    """Wait until time has caught up with one of a group, or all of it, while several of that want something."""
    clock = group.fairness.now
    while group.contended_until > (now := clock()) and (late := debtor.caught_up_at - now) > 0:  # noqa: ASYNC110
        await trio.sleep(late)


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


class Fairness(trio.abc.Instrument):
    """Measures what each account uses, for as long as several want something."""

    def __init__(self, limits: ServerLimits, clock: Callable[[], float] = time.perf_counter) -> None:
        self.limits = limits
        self.now = clock
        self.since = clock()  #: since when whoever is charged next has used the processor
        self.delay = LoopDelay(clock)  #: of the event loop, seen by the way
        self._woke_at = self.since
        self.last: Account | None = None  #: who wanted something last
        self.is_contended = False
        self._contended_until = self.since
        self._meter = _Meter(self)
        self._is_running = self._is_metering = False

    async def run(self) -> None:
        """Hear from Trio whenever it has waited for events, for ever."""
        trio.lowlevel.add_instrument(self)
        self._is_running = True
        if self.is_contended:
            self._begin_metering()
        try:
            await trio.sleep_forever()
        finally:
            self._is_running = False
            trio.lowlevel.remove_instrument(self)
            self._end_contention()

    def after_io_wait(self, timeout: float) -> None:
        """Charge nobody for the time until now, in which the process has waited (called by Trio)."""
        self.since = self._woke_at = self.now()
        if self.is_contended and self.since >= self._contended_until:
            self._end_contention()

    def before_io_wait(self, timeout: float) -> None:
        """See how long this turn of the event loop took (called by Trio)."""
        if (took := self.now() - self._woke_at) > LOOP_DELAY_BOUNDS[0]:
            self.delay.note(took)

    def begin_contention(self, until: float) -> None:
        """Measure what each step of each task takes, until that time."""
        self._contended_until = until
        if not self.is_contended:
            self.is_contended = True
            if self._is_running:
                self._begin_metering()

    def _begin_metering(self) -> None:
        self._is_metering = True
        self.since = self.now()
        trio.lowlevel.add_instrument(self._meter)

    def _end_contention(self) -> None:
        self.is_contended = False
        if self._is_metering:
            self._is_metering = False
            trio.lowlevel.remove_instrument(self._meter)

    def charge(self, account: Account | None) -> None:
        """Put what was used since the last charge on an account, or on nobody's.

        No step takes longer than a burst: somebody else had the processor, or the whole process stood still.
        """
        now = self.now()
        used = min(now - self.since, self.limits.processor_burst)
        self.since = now
        if account is not None:
            account.charge(used)


class _Meter(trio.abc.Instrument):
    """Hears from Trio after each step of a task, which is too much to ask for where nobody is in anybody's way."""

    def __init__(self, fairness: Fairness) -> None:
        self._fairness = fairness

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        """Charge a step to the task's account (called by Trio)."""
        payer = task.context.get(_payer)
        self._fairness.charge(None if payer is None else payer.account)
