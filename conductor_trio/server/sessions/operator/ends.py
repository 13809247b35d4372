"""The ends that the operator orders: the client is told why and ends by itself, or it is ended for it in time.

A client that cannot be told loses its session, and would register again at once: it is refused for a while, and
hears the reason that way. One whose link is lost is told when it comes back. All of them are known by their user
and the hash of their token, which stay from link to link.
"""

from __future__ import annotations

import enum

import attrs
import trio

from conductor_trio.control.events import Stop
from conductor_trio.control.messages import OWNER_COMMANDS, Registration
from conductor_trio.errors import RegistrationRefused
from conductor_trio.limits.server import ServerLimits
from conductor_trio.server.routing.routes import Route
from conductor_trio.server.routing.states import Cause
from conductor_trio.server.routing.table import RouteTable
from conductor_trio.server.sessions.records import SessionRecords


class Ending(enum.Enum):
    """What becomes of a session that the operator ends."""

    TOLD = "told"  #: its client has been told, and ends it
    LOST = "lost"  #: its client will be told when its link is back
    ENDED = "ended"  #: it has ended; its client could not be told


@attrs.define(eq=False)
class _Wish:
    """The end of one session, until its client has carried it out or has not been seen for long."""

    reason: str
    route_id: str
    forget_at: float  # Trio's time
    enforce_at: float = float("inf")

    def event(self) -> Stop:
        return Stop(by="operator", reason=self.reason or None)


class OperatorEnds:
    """All ends that were ordered and are not done with."""

    def __init__(self, routes: RouteTable, records: SessionRecords, limits: ServerLimits) -> None:
        self._routes = routes
        self._records = records
        self._limits = limits
        self._wishes: dict[tuple[str | None, str], _Wish] = {}

    def __len__(self) -> int:
        return len(self._wishes)

    def end(self, route: Route, reason: str) -> Ending:
        """End a session, or have its client do so; says what becomes of it."""
        record = self._records.get(route.id)
        now, limits = trio.current_time(), self._limits
        wish = self._wishes[_name(route)] = _Wish(reason, route.id, now + limits.tombstone_timeout)
        if record is not None:
            record.event_log.note(
                "The gateway's operator has ended the session" + (f": {reason}" if reason else "")
            )
        if route.is_detached:
            return Ending.LOST
        if record is not None and record.notify_client is not None:
            record.notify_client(wish.event())
            wish.enforce_at = now + limits.operator_end_timeout
            return Ending.TOLD
        wish.forget_at = now + limits.detached_timeout
        self._enforce(route)
        return Ending.ENDED

    def check_return(self, route: Route, registration: Registration) -> None:
        """Raise `RegistrationRefused` where a session comes back that was to end, and cannot be told so."""
        wish = self._wishes.get(_name(route))
        if wish is not None and OWNER_COMMANDS not in registration.extensions:
            because = f": {wish.reason}" if wish.reason else ""
            raise RegistrationRefused(f"the gateway's operator has ended this session{because}")

    def find_stop(self, route: Route) -> Stop | None:
        """Return what a client is to be told whose session has come back and was to end, None for any other."""
        wish = self._wishes.get(_name(route))
        if wish is None:
            return None
        wish.route_id = route.id
        wish.enforce_at = trio.current_time() + self._limits.operator_end_timeout
        return wish.event()

    def note_left(self, route: Route) -> None:
        """Take in that a client has ended its session by itself: whoever comes next with that token is new."""
        self._wishes.pop(_name(route), None)

    def expire(self) -> None:
        """End what its client has not ended in time, and forget what is long ago; to be called now and then."""
        now = trio.current_time()
        for name, wish in list(self._wishes.items()):
            route = self._routes.get(wish.route_id)
            if wish.enforce_at <= now:
                wish.enforce_at = float("inf")
                if route is not None and route.is_attached:
                    self._enforce(route)
            if wish.forget_at <= now:
                del self._wishes[name]

    def _enforce(self, route: Route) -> None:
        if route.is_borrowed:
            self._routes.change(route.id, Cause.LEFT)  # of which the predecessor hears
        else:
            self._records.end(route.id, was_replaced=False, cause=Cause.CUT)


def _name(route: Route) -> tuple[str | None, str]:
    return route.user, route.access.owner_hash
