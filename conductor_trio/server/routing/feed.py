"""The feed of the route table: what it publishes of every change, as values; and how that reaches other processes.

The data plane hears of routes by `RouteChange` alone, and the control plane of names that were taken from a
session.

Between processes values go under keys, as lines of JSON::

    source → replica    {"set": "<key>", "value": …}
    source → replica    {"drop": "<key>", "value": "<why>"}
    source → replica    {"commit": <number>}
    source → replica    {"tell": …}                            to this replica alone, and no value
    replica → source    {"ack": <number>}                      what was committed is in force there

Each change of the source has a number. What a replica has not been sent yet is coalesced: of each key the latest
value counts, in the order of the latest changes. So between two commits a replica may have values of several
times, and at each commit it is the source at that number. A replica that is new is sent everything.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Protocol

import attrs

from conductor_trio.limits.workers import MAX_FEED_NUMBER
from conductor_trio.server.routing.routes import Route
from conductor_trio.server.routing.states import Cause
from conductor_trio.strict_json import is_count, parse_json


@attrs.frozen(kw_only=True)
class RouteUp:
    """The route is new."""

    route: Route


@attrs.frozen(kw_only=True)
class RouteChanged:
    """The route is another than `before`: its state, or who gets in."""

    route: Route
    before: Route


@attrs.frozen(kw_only=True)
class RouteDown:
    """The route is gone; `route` is what it was last."""

    route: Route
    cause: Cause


RouteChange = RouteUp | RouteChanged | RouteDown
Subscriber = Callable[[RouteChange], None]


@attrs.frozen
class _Dropped:
    why: str


class Outbox:
    """What one replica has not been sent yet, and what it has acknowledged; made by `FeedSource.attach`."""

    def __init__(self, pending: dict[str, object], number: int, on_news: Callable[[], None]) -> None:
        self._on_news = on_news
        self._pending = pending
        self._told: list[object] = []
        self._number = number  # of the latest change in there
        self._sent = -1  # the latest that was committed
        self.acknowledged = -1  #: the latest number that is in force at the replica

    def note(self, key: str, value: object, number: int) -> None:
        """Have a value sent, in the place of an earlier one that was not; for the source."""
        self._pending.pop(key, None)
        self._pending[key] = value
        self._number = number

    def tell(self, value: object) -> None:
        """Have something sent that is for this replica alone, before any change that is not sent yet."""
        self._told.append(value)
        self._on_news()

    @property
    def has_news(self) -> bool:
        """Whether something is to be sent."""
        return bool(self._told) or self._sent < self._number

    @property
    def waits(self) -> bool:
        """Whether something that was sent is not acknowledged."""
        return self.acknowledged < self._sent

    def take(self) -> Iterator[bytes]:
        """Yield the lines of all that is new, the last of which commits it; changes meanwhile come next time."""
        told, self._told = self._told, []
        for value in told:
            yield _line({"tell": value})
        if self._sent == self._number:
            return
        pending, self._pending = self._pending, {}
        number = self._sent = self._number
        for key, value in pending.items():
            if isinstance(value, _Dropped):
                yield _line({"drop": key, "value": value.why})
            else:
                yield _line({"set": key, "value": value})
        yield _line({"commit": number})

    def acknowledge(self, number: int) -> None:
        """Take in that a commit is in force at the replica; raises ValueError for one that was not sent."""
        if not self.acknowledged < number <= self._sent:
            raise ValueError("what was not sent is acknowledged")
        self.acknowledged = number


def _do_nothing() -> None:
    pass


class FeedSource:
    """Values under keys, and the replicas that follow them."""

    def __init__(self) -> None:
        self.number = 0  #: of the latest change
        self.on_change: Callable[[], None] = _do_nothing  #: called after each
        self._values: dict[str, object] = {}
        self._outboxes: list[Outbox] = []

    def set(self, key: str, value: object) -> bool:
        """Have that value under a key; returns whether it is another one."""
        if key in self._values and self._values[key] == value:
            return False
        self._values[key] = value
        self._note(key, value)
        return True

    def drop(self, key: str, why: str = "") -> bool:
        """Have nothing under a key any more; returns whether there was."""
        if key not in self._values:
            return False
        del self._values[key]
        self._note(key, _Dropped(why))
        return True

    def _note(self, key: str, value: object) -> None:
        self.number += 1
        for outbox in self._outboxes:
            outbox.note(key, value, self.number)
        self.on_change()

    def attach(self) -> Outbox:
        """Return the outbox of a new replica, which has everything to hear."""
        outbox = Outbox(dict(self._values), self.number, lambda: self.on_change())
        self._outboxes.append(outbox)
        return outbox

    def detach(self, outbox: Outbox) -> None:
        """Forget a replica."""
        self._outboxes.remove(outbox)


class Appliance(Protocol):
    """What a replica's values are put into."""

    def set(self, key: str, value: object) -> None:
        """Take a new or another value; raises ValueError for one that is none."""

    def drop(self, key: str, why: str) -> None:
        """Have nothing under that key any more."""

    def hear(self, value: object) -> None:
        """Take what is told to this replica alone; raises ValueError for what is none of it."""


class FeedReplica:
    """The far end: applies lines as they come."""

    def __init__(self, appliance: Appliance) -> None:
        self._appliance = appliance
        self.number = -1  #: the latest that was committed

    def receive_line(self, line: bytes) -> int | None:
        """Apply a line, without its newline; returns the number that it commits. Raises ValueError for others."""
        match parse_json(line, has_odd_numbers=True):
            case {"set": str() as key, "value": value}:
                self._appliance.set(key, value)
            case {"drop": str() as key, "value": str() as why}:
                self._appliance.drop(key, why)
            case {"tell": value}:
                self._appliance.hear(value)
            case {"commit": number} if is_count(number, MAX_FEED_NUMBER):
                self.number = number
                return number
            case _:
                raise ValueError("no line of a feed")
        return None


def _line(message: dict[str, object]) -> bytes:
    return json.dumps(message).encode() + b"\n"
