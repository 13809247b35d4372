"""Accounts: what each of those who make the server work has used of the processor, and whether they have to wait.

They hang together in groups: the sessions of one user are a group, whose account is the user's, which is one of
the group of all users, strangers and front proxies. A use is charged to all of them.
"""

from __future__ import annotations

import contextlib
import heapq
import itertools
import math
from collections.abc import AsyncIterator, Callable

import attrs
import trio

from conductor_trio.limits.server import ServerLimits
from conductor_trio.server.accounts.turnstile import Turnstile


class Processor:
    """What all accounts go by: the clock, who wanted something last, and whether several do."""

    def __init__(self, limits: ServerLimits, clock: Callable[[], float], turnstile: Turnstile) -> None:
        self.limits = limits
        self.turnstile = turnstile
        self.now = clock
        self.since = clock()  #: since when whoever is charged next has used the processor
        self.last: Account | None = None  #: who wanted something last
        self.is_contended = False
        self.contended_until = self.since
        self.throttled = 0.0  #: seconds for which somebody has waited for their turn, all of them together

    def begin_contention(self, until: float) -> None:
        """Have those measured who use the processor, until that time."""
        self.contended_until = until
        self.is_contended = True


@attrs.define(eq=False)
class Group:
    """Accounts beside one another, all of which are charged to `account`, too; without one: all that there are.

    Each may use a share of what their common account may. Those that are busy, who have used more lately than an
    equal part, may together use no more than `share_of_all` of it while others are not, who find the rest free;
    where all are busy, nothing is left idle.
    """

    processor: Processor
    account: Account | None
    share_of_all: float
    last: Account | None = attrs.field(default=None, init=False)  #: who wanted something last
    #: Until when several count as wanting something, since they have lately.
    contended_until: float = attrs.field(default=float("-inf"), init=False)
    #: Until when somebody counts who is not busy, and has wanted something while all were over their share.
    spares_until: float = attrs.field(default=float("-inf"), init=False)
    #: When time will have caught up with all together, if they were to use no more than their share.
    caught_up_at: float = attrs.field(default=0.0, init=False)
    turns: _Turns = attrs.field(factory=lambda: _Turns(), init=False)  #: of those who wait for that
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
                self.contended_until = now + self.processor.limits.contention_memory
                self.processor.begin_contention(self.contended_until)
            self.last = account

    def charge(self, seconds: float, begin: float, share: float) -> None:
        """Put a use of the processor since `begin` on all together, who have that share of the whole at most."""
        limits = self.processor.limits
        self._rate = share * self.share_of_all
        caught_up_at = max(self.caught_up_at, begin - limits.processor_burst) + seconds / self._rate
        self.caught_up_at = min(caught_up_at, begin + limits.processor_burst)  # what nobody missed is no debt
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
            elapsed += self.processor.limits.use_period
        return self._rate * elapsed * squares / (use * use) if use else math.inf


class _Turns:
    """A lock that goes to the one next who has used least, and of several who have used alike to the first."""

    def __init__(self) -> None:
        self.is_taken = False
        self._waiting: list[tuple[float, int, trio.Event]] = []
        self._numbers = itertools.count()

    @contextlib.asynccontextmanager
    async def turn(self, used: float) -> AsyncIterator[None]:
        """Hold it within; `used` are seconds."""
        if self.is_taken:
            entry = used, next(self._numbers), trio.Event()
            heapq.heappush(self._waiting, entry)
            try:
                await entry[2].wait()
            except BaseException:
                if entry[2].is_set():
                    self._pass_on()
                else:
                    self._waiting.remove(entry)
                    heapq.heapify(self._waiting)
                raise
        self.is_taken = True
        try:
            yield
        finally:
            self._pass_on()

    def _pass_on(self) -> None:
        if self._waiting:
            heapq.heappop(self._waiting)[2].set()
        else:
            self.is_taken = False


@attrs.define(eq=False)
class Account:
    """Somebody's use of the processor."""

    group: Group
    #: Whether what it wants counts only if it is the second time within `contention_memory`. A client answers a
    #: ping now and then, which is no reason to measure anybody.
    is_occasional: bool = False
    #: When time will have caught up with it, if it was to use no more than its share.
    caught_up_at: float = attrs.field(default=0.0, init=False)
    metered: float = attrs.field(default=0.0, init=False)  #: seconds that are to be charged to it
    used: float = attrs.field(default=0.0, init=False)  #: seconds since it was opened, as far as that was measured
    #: How much more it uses in all, at the other processes of ours, too, than here.
    weight: float = attrs.field(default=1.0, init=False)
    _wanted_at: float = attrs.field(default=float("-inf"), init=False)
    #: Held by the first of those that wait, who come one after the other.
    _queue: _Turns = attrs.field(factory=_Turns, init=False)
    # What it has used within a period of the group's, and within the one before.
    _period: int = attrs.field(default=0, init=False)
    _use: float = attrs.field(default=0.0, init=False)
    _use_before: float = attrs.field(default=0.0, init=False)

    def is_throttled(self) -> bool:
        """Note that it wants something; returns whether it has to wait, since somebody else does, too."""
        processor = self.group.processor
        if processor.last is not self:
            self.note_wish()
        return processor.is_contended and self.is_over()

    def note_wish(self) -> None:
        """Note that it wants something, so that it is measured for a while if others do, too."""
        processor = self.group.processor
        now = processor.since
        if self.is_occasional:
            before, self._wanted_at = self._wanted_at, now
            if now - before > processor.limits.contention_memory:
                return
        account: Account | None = self
        processor.last = self
        while account is not None:
            account.group.note_wish(account, now)
            account = account.group.account

    def is_over(self) -> bool:
        """Whether it, or an account above it, is over its share, or others wait for that already."""
        if self.metered:
            self.settle()
        now = self.group.processor.since
        account: Account | None = self
        while account is not None:
            group = account.group
            if group.contended_until > now and (
                account.caught_up_at > now
                or account._queue.is_taken
                or (group.caught_up_at > now and account._must_spare(now))
            ):
                return True
            account = group.account
        return False

    @property
    def is_waited_for(self) -> bool:
        """Whether somebody waits at this moment because it is over its share."""
        return self._queue.is_taken

    @property
    def lately_used(self) -> float:
        """What it has used within the last two periods, at all processes, in seconds, as far as measured."""
        missed = self.group.period - self._period
        used = self._use + self._use_before if missed == 0 else self._use if missed == 1 else 0.0
        return used * self.weight

    def _must_spare(self, now: float) -> bool:
        """Whether it is busy, and somebody of its group is not; one who is far from it is noted as such."""
        group, used = self.group, self.lately_used
        part = group.equal_part(now)
        if used < part / 2:
            group.spares_until = now + group.processor.limits.contention_memory
        return used > part and group.spares_until > now

    def settle(self) -> None:
        """Charge it with what was metered."""
        seconds, self.metered = self.metered, 0.0
        self.charge(seconds)

    def charge(self, seconds: float) -> float:
        """Put a use of the processor, until now, on it and on those above it; returns its share of the whole."""
        self.used += seconds
        group = self.group
        limits, above = group.processor.limits, group.account
        share = 1.0 if above is None else above.charge(seconds)
        begin = group.processor.since - seconds
        if group.contended_until > begin:
            group.charge(seconds, begin, share)
            share *= limits.processor_share / self.weight
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

    async def wait_share(self) -> None:
        """Wait as `wait_turn` does, for what is no wish of its own yet; no checkpoint otherwise."""
        if self.is_over():
            await self.queue_up()

    async def take_turn(self) -> None:
        """Let others have their turn, and wait as `wait_turn` does; always a checkpoint."""
        if self.is_throttled():
            await self.queue_up()
        else:
            await self.group.processor.turnstile.take_turn()

    async def queue_up(self, used: float = 0.0) -> None:
        """Wait as long as it, or an account above it, is over its share, behind those that came before.

        Only the first who waits for an account waits among those of others, so that everybody's turn comes,
        however many come for one of them; and of the accounts below one, the one that has `used` least lately
        comes first, so that a user's quiet session does not wait for the busy ones. Always a checkpoint.
        """
        processor = self.group.processor
        began = processor.now()
        try:
            await self._queue_up(used)
        finally:
            processor.throttled += processor.now() - began

    async def _queue_up(self, used: float) -> None:
        group, clock = self.group, self.group.processor.now
        async with self._queue.turn(used):
            while (late := self._late(clock())) > 0:  # noqa: ASYNC110
                await trio.sleep(late)
            if self._late_together(clock()) > 0:
                async with group.turns.turn(self.lately_used):
                    while (late := self._late_together(clock())) > 0:  # noqa: ASYNC110
                        await trio.sleep(late)
            if group.account is None:
                await group.processor.turnstile.take_turn()
            else:
                await group.account._queue_up(self.lately_used)

    def _late(self, now: float) -> float:
        """Return for how long it has to wait because of what it has used itself."""
        return self.caught_up_at - now if self.group.contended_until > now else 0.0

    def _late_together(self, now: float) -> float:
        """Return for how long it has to wait because of what all of its group have used."""
        late = self.group.caught_up_at - now
        return late if late > 0 and self._must_spare(now) else 0.0
