"""Presence: who is there at a session, told apart by what let them in, who they are, and from where they come."""

from __future__ import annotations

import time
from collections.abc import Iterable
from itertools import chain
from typing import Any

import attrs

from conductor_trio.limits.constants import MAX_ADDRESS_TEXT
from conductor_trio.limits.observability import MAX_PRESENT, MAX_TOLD_PRESENT, PRESENCE_PAUSE
from conductor_trio.server.orders.networks import bare_address

_Key = tuple[str, str | None, str | None]


@attrs.frozen
class Present:
    """One of them, as the session's owner is told."""

    by: str
    identity: str | None
    address: str | None
    since: float  #: Unix time
    connections: int


@attrs.define(eq=False)
class Visitor:
    """One of them; `presence` is where they are noted, None once they are not."""

    presence: Presence | None
    principal: str
    identity: str | None
    address: str | None
    since: float  #: Unix time
    last: float  #: Unix time of the last end of one, or else of their coming
    under_way: int = 0  #: exchanges and tunnels

    def is_gone(self, now: float) -> bool:
        """Whether nothing is under way for them, nor was a while ago."""
        return not self.under_way and self.last < now - PRESENCE_PAUSE

    def describe(self) -> Present:
        """Return what the session's owner is told of them."""
        address = None if self.address is None else bare_address(self.address)[:MAX_ADDRESS_TEXT]
        return Present(self.principal, self.identity, address, self.since, self.under_way)


class Presence:
    """Those who are there at one session.

    Those whose connections are there are as many as these; of the others no more are kept than there may be.
    """

    def __init__(self) -> None:
        self._visitors: dict[_Key, Visitor] = {}
        #: Those at other processes of ours, by whatever stands for the process.
        self.elsewhere: dict[Any, tuple[Present, ...]] = {}

    def find(self, principal: str, identity: str | None, address: str | None) -> Visitor:
        """Return one of them, who may have come just now; whoever asks counts what is under way, until `leave`."""
        key = (principal, identity, address)
        visitor = self._visitors.get(key)
        if visitor is None:
            now = time.time()
            if len(self._visitors) == MAX_PRESENT:
                self.present(now)
            visitor = self._visitors[key] = Visitor(self, principal, identity, address, since=now, last=now)
        return visitor

    def leave(self, visitor: Visitor) -> None:
        """Note that one exchange or tunnel less is under way for one of them."""
        visitor.under_way -= 1
        visitor.last = time.time()
        if not visitor.under_way and len(self._visitors) > MAX_PRESENT:
            self._forget(visitor)

    def present(self, now: float) -> list[Visitor]:
        """Return those who are there by this process, who came first before the others, and forget all others."""
        for visitor in list(self._visitors.values()):
            if visitor.is_gone(now):
                self._forget(visitor)
        return list(self._visitors.values())

    def count(self, now: float) -> int:
        """Return how many are there: whoever is so by several processes counts for each."""
        return len(self.present(now)) + sum(map(len, self.elsewhere.values()))

    def describe(self, now: float) -> list[Present]:
        """Return those who are there, by whichever process, who came first before the others; of many not all."""
        told = [visitor.describe() for visitor in self.present(now)]
        if self.elsewhere:
            told = _summed(chain(told, *self.elsewhere.values()))
        return told[:MAX_TOLD_PRESENT]

    def _forget(self, visitor: Visitor) -> None:
        visitor.presence = None
        del self._visitors[visitor.principal, visitor.identity, visitor.address]


def _summed(told: Iterable[Present]) -> list[Present]:
    """Return each once who is there by several processes."""
    found: dict[_Key, Present] = {}
    for one in sorted(told, key=lambda one: one.since):
        key = (one.by, one.identity, one.address)
        first = found.get(key)
        found[key] = one if first is None else attrs.evolve(first, connections=first.connections + one.connections)
    return list(found.values())
