"""The leases of one process: what it may have of each limit, for the tasks that take it and wait for more."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Protocol

import attrs
import trio

from conductor_trio.limits.workers import LEASE_DENIED_PAUSE
from conductor_trio.server.leases.lessee import Lessee
from conductor_trio.server.leases.lessor import Word
from conductor_trio.server.leases.terms import Kind, Terms, make_key, split_key


class Borrower(Protocol):
    """One who has connections, at most so many."""

    max_connections: int

    @property
    def under_way(self) -> int:
        """How many there are."""


def _keep(_: str) -> None:
    """Give nothing up."""


@attrs.frozen(eq=False)
class _Holder:
    """Who has what is lent: how much of a name is in use, and who hears how much there may be.

    `make_room` gives up what is in use, but less than what somebody needs elsewhere.
    """

    used: Callable[[str], int]
    allot: Callable[[str, int], None]
    make_room: Callable[[str], object]


@attrs.define(eq=False)
class _Waiting:
    """What those wait for who need more of a key, and whether there was more."""

    has_more: bool = False
    is_over: trio.Event = attrs.field(factory=trio.Event)


class Leases:
    """What this process may have of the limits that hold for all processes together."""

    def __init__(self, terms: Terms, tell: Callable[[Word], None]) -> None:
        self._limits = terms.limits
        self._lessee = Lessee(terms, self._used, self._allot, self._make_room, tell)
        self._holders: dict[Kind, _Holder] = {}
        self._waiting: dict[str, _Waiting] = {}
        self._coming: Counter[str] = Counter()  # those who wait, and who have not taken yet what they waited for
        self._denied: dict[str, float] = {}  # until when, by Trio's clock

    def hold(
        self,
        kind: Kind,
        used: Callable[[str], int],
        allot: Callable[[str, int], None],
        make_room: Callable[[str], object] = _keep,
    ) -> None:
        """Have somebody be asked what they have in use of a name, and told how much they may have."""
        self._holders[kind] = _Holder(used, allot, make_room)

    def hold_connections(self, kind: Kind, find: Callable[[str], Borrower | None]) -> None:
        """Have whoever is found by a name be asked, and told."""

        def used(name: str) -> int:
            return 0 if (borrower := find(name)) is None else borrower.under_way

        def allot(name: str, part: int) -> None:
            if (borrower := find(name)) is not None:
                borrower.max_connections = part

        self.hold(kind, used, allot)

    def _used(self, key: str) -> int:
        kind, name = split_key(key)
        return self._holders[kind].used(name) + self._coming[key]

    def _allot(self, key: str, part: int) -> None:
        kind, name = split_key(key)
        self._holders[kind].allot(name, part)

    def _make_room(self, key: str) -> None:
        kind, name = split_key(key)
        self._holders[kind].make_room(name)

    def part(self, kind: Kind, name: str = "") -> int:
        """Return how much this process may have."""
        return self._lessee.part(make_key(kind, name))

    def want(self, kind: Kind, name: str, need: int) -> None:
        """Ask for so many more, for those who come later."""
        self._want(make_key(kind, name), need)

    def _want(self, key: str, need: int) -> bool:
        """Ask for more; returns whether there will be an answer."""
        lessee = self._lessee
        if lessee.is_wanted(key):
            return True
        if lessee.has_all(key) or trio.current_time() < self._denied.get(key, 0.0):
            return False
        lessee.want(key, need)
        return True

    async def obtain(self, kind: Kind, name: str = "") -> bool:
        """Ask for more of what is used up, and return whether there is some, of which others may be quicker."""
        key = make_key(kind, name)
        before = self._lessee.part(key)
        if not self._want(key, 1 + self._coming[key]):
            return False
        if not self._lessee.is_wanted(key):  # there was an answer at once
            return self._lessee.part(key) > before
        waiting = self._waiting.setdefault(key, _Waiting())
        self._coming[key] += 1
        try:
            with trio.move_on_after(self._limits.worker_ack_timeout):
                await waiting.is_over.wait()
        finally:
            self._coming[key] -= 1
            if not self._coming[key]:
                del self._coming[key]
        return waiting.has_more

    def receive(self, word: Word) -> None:
        """Take in what the lessor says; raises ValueError for what is no word of a lessor."""
        self._lessee.receive(word)
        match word:
            case {"deny": [*keys]}:
                self._denied |= dict.fromkeys(map(str, keys), trio.current_time() + LEASE_DENIED_PAUSE)
        for key in [key for key in self._waiting if not self._lessee.is_wanted(key)]:
            waiting = self._waiting.pop(key)
            waiting.has_more = "grant" in word
            waiting.is_over.set()

    def deny_all(self) -> None:
        """Nobody is there to answer: whoever waits goes without."""
        self.receive({"deny": self._lessee.wanted})

    def give_back(self) -> None:
        """Give back what is not needed, and forget what was denied long ago; now and then."""
        self._lessee.give_back()
        now = trio.current_time()
        self._denied = {key: until for key, until in self._denied.items() if until > now}
