"""Gradual work: what is done for thousands of connections at once is done for a few at a time.

A session that ends, a share that is revoked, a link that is back: each has connections cancelled or requests go
on, and every one of those takes a tenth of a millisecond or more in the same turn of the event loop. So the first
few are served at once, and the others by a task that leaves time for what follows, and for everybody else, after
each few, and waits while whoever it is done for is over their share. What they wait for next is then over at
different times, too.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import trio

from conductor_trio.interpreter import collect_young
from conductor_trio.limits.constants import MAX_CANCELLED_AT_ONCE, TURN_SPACING
from conductor_trio.server.accounts.account import Account
from conductor_trio.server.accounts.fairness import charged_to, take_turn


class GradualWork:
    """Does what is begun here in steps, for as long as `run` runs; before and after, at once."""

    def __init__(self) -> None:
        self._nursery: trio.Nursery | None = None

    async def run(self) -> None:
        """Go on with all that was begun, for ever."""
        try:
            async with trio.open_nursery() as self._nursery:
                await trio.sleep_forever()
        finally:
            self._nursery = None

    def begin(self, steps: Iterator[None], account: Account | None = None) -> None:
        """Take the first steps, and the others soon; each is followed by a yield, and is charged to `account`.

        Without one nobody is charged, and nothing but the spacing is waited for: those whose access ends must not
        be able to put that off.
        """
        if self._nursery is None:
            for _ in steps:
                pass
        elif not _take_some(steps):
            self._nursery.start_soon(self._go_on, steps, account, name="gradual work")

    async def _go_on(self, steps: Iterator[None], account: Account | None) -> None:
        with charged_to(account):
            await self._take_all(steps)

    async def _take_all(self, steps: Iterator[None]) -> None:
        while True:
            await take_turn()
            await trio.sleep(TURN_SPACING)
            collect_young()
            if _take_some(steps):
                return


def _take_some(steps: Iterator[None]) -> bool:
    """Take some steps and return whether they were the last."""
    return sum(1 for _ in itertools.islice(steps, MAX_CANCELLED_AT_ONCE)) < MAX_CANCELLED_AT_ONCE
