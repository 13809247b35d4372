"""The reaper of idle connections: those that have waited too long for another request are closed."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import trio

from conductor_trio.limits.constants import MAX_CANCELLED_AT_ONCE, TURN_SPACING
from conductor_trio.limits.server import ServerLimits
from conductor_trio.server.accounts.gradual import GradualWork
from conductor_trio.server.accounts.places import Place
from conductor_trio.server.proxy.cancellation import CancelReason, ConnectionScope


class IdleReaper:
    """All connections that wait for a request.

    One look at all of them now and then costs each request less than a deadline of its own would.
    """

    def __init__(self, limits: ServerLimits, gradual: GradualWork) -> None:
        self._limits = limits
        self._gradual = gradual
        self._idle: dict[ConnectionScope, int] = {}  # since which look
        self._look = 0
        self._is_draining = False

    def begin(self, connection: ConnectionScope) -> None:
        """Have a connection cancelled when it waits too long, less long when draining."""
        self._idle[connection] = self._look
        if self._is_draining:
            self._hurry(connection)

    def end(self, connection: ConnectionScope) -> None:
        """Leave a connection alone: something of a request has come."""
        self._idle.pop(connection, None)

    def begin_drain(self) -> None:
        """Have none wait long from now on.

        A request may be on its way on a kept connection, so that closing it at once would lose it.
        """
        self._is_draining = True
        self._gradual.begin(self._hurry_all())

    def _hurry_all(self) -> Iterator[None]:
        for number, connection in enumerate(list(self._idle)):
            if connection in self._idle:
                self._hurry(connection, number // MAX_CANCELLED_AT_ONCE * TURN_SPACING)  # not all in one turn
                yield

    def _hurry(self, connection: ConnectionScope, later: float = 0.0) -> None:
        deadline = trio.current_time() + self._limits.drain_idle_timeout + later
        connection.set_deadline(deadline, CancelReason.DRAINED)

    def greediest(self) -> Place | None:
        """Return the place with the most connections of those that have an idle one."""
        places = (connection.place for connection in self._idle)
        return max((place for place in places if place is not None), key=lambda place: place.count, default=None)

    def give_way(self, place: Place, count: int) -> int:
        """Close that many idle connections of a place, the longest idle first, and return how many there were."""
        found = itertools.islice((connection for connection in self._idle if connection.place is place), count)
        leaving = list(found)
        for connection in leaving:
            del self._idle[connection]
            connection.cancel(CancelReason.GAVE_WAY)
        return len(leaving)

    async def run(self) -> None:
        """Cancel what has been idle too long, for ever."""
        looks = self._limits.idle_looks
        while True:
            await trio.sleep(self._limits.idle_timeout / looks)
            self._look += 1
            self._gradual.begin(self._cancel_those_before(self._look - looks))

    def _cancel_those_before(self, look: int) -> Iterator[None]:
        for connection in list(itertools.takewhile(lambda one: self._idle[one] < look, self._idle)):
            if self._idle.get(connection, look) < look:  # it has not asked meanwhile
                connection.cancel(CancelReason.IDLE)
                yield
