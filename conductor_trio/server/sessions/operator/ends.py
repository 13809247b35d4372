"""The ends that the operator orders: the client is told why and ends by itself, or it is ended for it in time.

A client that cannot be told loses its session, and would register again at once: it is refused for a while, and
hears the reason that way. One whose link is lost is told when it comes back. All of them are known by their user
and the hash of their token, which stay from link to link, and from this server to the next.
"""

from __future__ import annotations

import enum
import math
import time

import trio

from conductor_trio.control.events import Stop
from conductor_trio.control.messages import OWNER_COMMANDS, Registration
from conductor_trio.errors import RegistrationRefused
from conductor_trio.limits.server import ServerLimits
from conductor_trio.server.orders.ends import End, Ends, SessionName
from conductor_trio.server.routing.routes import Route
from conductor_trio.server.routing.states import Cause
from conductor_trio.server.routing.table import RouteTable
from conductor_trio.server.sessions.records import SessionRecords


class Ending(enum.Enum):
    """What becomes of a session that the operator ends."""

    TOLD = "told"  #: its client has been told, and ends it
    LOST = "lost"  #: its client will be told when its link is back
    ENDED = "ended"  #: it has ended; its client could not be told


class OperatorEnds:
    """All ends that were ordered and are not done with: `ends`, and when those are enforced that were told."""

    def __init__(self, ends: Ends, routes: RouteTable, records: SessionRecords, limits: ServerLimits) -> None:
        self._ends = ends
        self._routes = routes
        self._records = records
        self._limits = limits
        self._enforce_at: dict[str, float] = {}  # Trio's time, by the id of the route

    def __len__(self) -> int:
        return len(self._ends)

    def end(self, route: Route, reason: str) -> Ending:
        """End a session, or have its client do so; says what becomes of it."""
        record, limits = self._records.get(route.id), self._limits
        if record is not None:
            record.event_log.note(
                "The gateway's operator has ended the session" + (f": {reason}" if reason else "")
            )
        is_told = record is not None and record.notify_client is not None
        lasts = limits.tombstone_timeout if route.is_detached or is_told else limits.detached_timeout
        # In whole seconds: those that are ended together are written together.
        end = End(reason=reason, until=math.ceil(time.time() + lasts))
        self._ends.add(_name(route), end)
        if route.is_detached:
            return Ending.LOST
        if record is not None and record.notify_client is not None:
            record.notify_client(_word(end))
            self._enforce_at[route.id] = trio.current_time() + limits.operator_end_timeout
            return Ending.TOLD
        self._enforce(route)
        return Ending.ENDED

    def check_return(self, route: Route, registration: Registration) -> None:
        """Raise `RegistrationRefused` where a session comes back that was to end, and cannot be told so."""
        end = self._ends.get(_name(route))
        if end is not None and OWNER_COMMANDS not in registration.extensions:
            because = f": {end.reason}" if end.reason else ""
            raise RegistrationRefused(f"the gateway's operator has ended this session{because}")

    def find_stop(self, route: Route) -> Stop | None:
        """Return what a client is to be told whose session has come back and was to end, None for any other."""
        end = self._ends.get(_name(route))
        if end is None:
            return None
        self._enforce_at[route.id] = trio.current_time() + self._limits.operator_end_timeout
        return _word(end)

    def note_left(self, route: Route) -> None:
        """Take in that a client has ended its session by itself: whoever comes next with that token is new."""
        self._ends.remove(_name(route))

    def expire(self) -> None:
        """End what its client has not ended in time, and forget what is long ago; to be called now and then."""
        now = trio.current_time()
        for route_id, due in list(self._enforce_at.items()):
            route = self._routes.get(route_id)
            if route is None or not route.is_attached:
                del self._enforce_at[route_id]
            elif due <= now:
                del self._enforce_at[route_id]
                self._enforce(route)
        self._ends.expire(time.time())

    def _enforce(self, route: Route) -> None:
        if route.is_borrowed:
            self._routes.change(route.id, Cause.LEFT)  # of which the predecessor hears
        else:
            self._records.end(route.id, was_replaced=False, cause=Cause.CUT)


def _name(route: Route) -> SessionName:
    return route.user or "", route.access.owner_hash


def _word(end: End) -> Stop:
    return Stop(by="operator", reason=end.reason or None)
