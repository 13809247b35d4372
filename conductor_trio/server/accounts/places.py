"""Places: the connections that visitors have, counted by address, so that nobody takes all of them.

A connection has its place from the moment of being accepted to its last byte, whatever it does or does not do: it
shakes hands, says nothing, waits for another request or for a session, lingers at its end. An address (of IPv6 a
/64) has a part of all places. Front proxies stand for many and have no such bound; each visitor that they name has
it, for requests and tunnels. When places get scarce, idle connections of whoever has the most are closed first.
"""

from __future__ import annotations

import contextlib
import enum
import math
from collections.abc import Iterator
from typing import Protocol

import attrs
import trio

from conductor_trio.limits.server import ServerLimits
from conductor_trio.server.accounts.addresses import account_of
from conductor_trio.server.leases.leases import Leases
from conductor_trio.server.leases.terms import Kind


class NoPlace(enum.Enum):
    """Why there is no place for a visitor."""

    FULL = enum.auto()  #: for nobody
    ADDRESS_FULL = enum.auto()  #: for no other connection from this address
    BLOCKED = enum.auto()  #: for nobody of this network, as the operator has ordered


@attrs.define(eq=False)
class Place:
    """Where the connections of one address have their places."""

    name: str | None  #: the address's account, None for front proxies
    most: float = math.inf  #: how many connections there may be
    count: int = 0  #: connections, and what front proxies have under way for this address
    is_counted: bool = True  #: here, and not by the process of ours that the connection came to
    looked_at: float = -math.inf  #: when it had no idle connection, by Trio's clock
    _handshakes: dict[trio.CancelScope, None] = attrs.field(factory=dict, init=False)  # the oldest first

    @contextlib.contextmanager
    def shaking_hands(self, scope: trio.CancelScope, most: int) -> Iterator[None]:
        """Count a handshake within; where the address has too many under way, the oldest is given up.

        One that is in earnest takes milliseconds, and each holds as much memory as several connections.
        """
        if self.name is None:  # a front proxy's
            yield
            return
        self._handshakes[scope] = None
        if len(self._handshakes) > most:
            oldest = next(iter(self._handshakes))
            del self._handshakes[oldest]
            oldest.cancel()
        try:
            yield
        finally:
            self._handshakes.pop(scope, None)


class IdleConnections(Protocol):
    """The connections that wait for a request."""

    def greediest(self) -> Place | None:
        """Return the place with the most connections of those that have an idle one."""

    def give_way(self, place: Place, count: int) -> int:
        """Close that many idle connections of a place, the longest idle first, and return how many there were."""


class Places:
    """All places. `total` are the connections; those that give way to others are `leaving` beside it."""

    def __init__(self, limits: ServerLimits, idle: IdleConnections) -> None:
        self._limits = limits
        self._idle = idle
        self._by_name: dict[str | None, Place] = {}
        self.leases: Leases | None = None  #: where others have some of the places
        self._most = limits.max_visitors
        self._looked_at = -math.inf
        self.total = 0
        self.leaving = 0

    def share(self, leases: Leases) -> None:
        """Have the limits hold for this process and others together; before the first place is taken."""
        self.leases = leases
        self._most = leases.part(Kind.VISITORS)
        leases.hold(Kind.VISITORS, lambda _: self.total, self._allot_all)
        leases.hold(Kind.ADDRESS, self.count_of, self._allot, self._make_room_elsewhere)

    def _allot_all(self, _: str, most: int) -> None:
        self._most = most

    def _allot(self, name: str, most: int) -> None:
        if (place := self._by_name.get(name)) is not None:
            place.most = most

    def _make_room_elsewhere(self, name: str) -> None:
        """Have an address give way to itself, which comes to another process."""
        if (place := self._by_name.get(name)) is not None:
            self._make_room_at(place)

    async def obtain(self, address: str | None, *, is_new: bool = True) -> bool:
        """Have other processes leave us a place where ours are taken, before one is; returns whether there is one.

        `is_new` tells that it is for a connection.
        """
        if (leases := self.leases) is None:
            return False
        name = None if address is None else account_of(address)
        # From the beginning after each wait: meanwhile others may have taken what there was.
        while True:
            if name is not None and self._is_full(self._find(name)):
                has_more = await leases.obtain(Kind.ADDRESS, name)
            elif is_new and self.total >= self._most:
                has_more = await leases.obtain(Kind.VISITORS)
            else:
                return True
            if not has_more:
                return False

    def count_of(self, address: str) -> int:
        """Return how many places an address has."""
        place = self._by_name.get(account_of(address))
        return 0 if place is None else place.count

    def take(self, address: str | None, descriptor: int) -> Place | NoPlace:
        """Return a visitor's place, to be left at its end.

        `address` is None for a front proxy; `descriptor` is the number of the connection's own, which tells how
        many are in use: it is the least that was free (open(2)).
        """
        place = self._find(None if address is None else account_of(address))
        if self._is_full(place) and not self._make_room_at(place):
            return NoPlace.ADDRESS_FULL
        if self.total >= self._most and not self._make_room_in_all(place):
            return NoPlace.FULL
        if descriptor >= self._limits.max_visitor_descriptor:
            self._make_room_in_all(place)  # for those to come
            return NoPlace.FULL
        self._add(place)
        self.total += 1
        return place

    def lend(self, address: str | None, descriptor: int) -> Place | NoPlace:
        """Return a place for a connection that is counted where it came to, at another process of ours."""
        if descriptor >= self._limits.max_visitor_descriptor:
            return NoPlace.FULL
        return Place(None if address is None else account_of(address), is_counted=False)

    def leave(self, place: Place, *, gave_way: bool) -> None:
        """Give a place back at the connection's end; where it gave way, another has it already."""
        if not place.is_counted:
            return
        if gave_way:
            self.leaving -= 1
        else:
            self.total -= 1
            self._remove(place)

    def enter(self, address: str) -> Place | None:
        """Return the place of one whom a front proxy names, for a request or tunnel; None where it is full."""
        place = self._find(account_of(address))
        if self._is_full(place):
            return None
        self._add(place)
        return place

    def exit(self, place: Place) -> None:
        """Give back what `enter` returned."""
        if place.is_counted:
            self._remove(place)

    def make_room(self) -> None:
        """Have the greediest give way, for those to come: descriptors or memory are short."""
        self._make_room_in_all(Place(None))

    def _find(self, name: str | None) -> Place:
        return self._by_name.get(name) or Place(name, self._most_of(name))

    def _most_of(self, name: str | None) -> float:
        if name is None:
            return math.inf
        return self._limits.max_address_visitors if self.leases is None else self.leases.part(Kind.ADDRESS, name)

    def _add(self, place: Place) -> None:
        place.count += 1
        self._by_name[place.name] = place

    def _remove(self, place: Place) -> None:
        place.count -= 1
        if not place.count:
            del self._by_name[place.name]

    @staticmethod
    def _is_full(place: Place) -> bool:
        return place.count >= place.most

    def _make_room_at(self, place: Place) -> bool:
        """Have an address give way to itself."""
        now = trio.current_time()
        if not self._may_leave or now < place.looked_at + self._limits.idle_look_pause:
            return False
        if self._give_way(place):
            return True
        place.looked_at = now
        return False

    def _make_room_in_all(self, place: Place) -> bool:
        """Have the greediest give way, unless whoever comes is as greedy."""
        now = trio.current_time()
        if not self._may_leave or now < self._looked_at + self._limits.idle_look_pause:
            return False
        greediest = self._idle.greediest()
        if greediest is not None and greediest.count > place.count and self._give_way(greediest):
            return True
        self._looked_at = now
        return False

    @property
    def _may_leave(self) -> int:
        """How many more may be giving way at this moment."""
        return max(1, self._limits.max_visitors // self._limits.leaving_share) - self.leaving

    def _give_way(self, place: Place) -> bool:
        # Several at once, since a look at all costs; few, since each is somebody's.
        closed = self._idle.give_way(place, -(-self._may_leave // self._limits.leaving_share))
        self.leaving += closed
        self.total -= closed
        for _ in range(closed):
            self._remove(place)
        return closed > 0
