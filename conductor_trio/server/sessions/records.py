"""Session records: what the control plane keeps for each route beside it."""

from __future__ import annotations

from collections.abc import Callable

import attrs
import trio

from conductor_trio.control.events import ServerEvent, Stop
from conductor_trio.server.routing.feed import RouteChange, RouteChanged, RouteDown, RouteUp
from conductor_trio.server.routing.routes import Route
from conductor_trio.server.routing.states import Cause
from conductor_trio.server.routing.table import RouteTable
from conductor_trio.server.sessions.event_log import EventLog


@attrs.define(eq=False, kw_only=True)
class SessionRecord:
    """One session's, from its registration until nothing is known of it any more."""

    event_log: EventLog = attrs.field(factory=EventLog)
    #: The owner has asked to stop the application while the link was lost; the client is told when it is back.
    stop_requested: bool = False
    idle_until: float | None = None  #: when it ends because nobody uses it (Unix time), if there was a warning
    output: tuple[str, ...] = ()  #: the last lines of what the application says, while it starts
    #: Tells the client, while it is here and listens.
    notify_client: Callable[[ServerEvent], None] | None = None
    #: Cancelled when the session has to end: its name was taken, its client is silent.
    scope: trio.CancelScope = attrs.field(factory=trio.CancelScope)
    was_replaced: bool = False  #: another session has taken its name
    ends_as: Cause = Cause.LEFT  #: what its end turns the route's state into, if it ended now


class SessionRecords:
    """All records, by the route's id; follows the route table."""

    def __init__(self, routes: RouteTable) -> None:
        self._records: dict[str, SessionRecord] = {}
        routes.subscribe(self._follow)

    def _follow(self, change: RouteChange) -> None:
        match change:
            case RouteUp(route=route):
                self._records[route.id] = SessionRecord()
            case RouteChanged():
                pass
            case RouteDown(route=route, cause=cause):
                record = self._records.pop(route.id)
                if cause in (Cause.REPLACED, Cause.TAKEN_OVER):
                    record.was_replaced = True
                    record.scope.cancel()

    def end(self, route_id: str, *, was_replaced: bool, cause: Cause = Cause.LEFT) -> None:
        """End a session that is over elsewhere: by its client, or since another has taken its name; or cut it."""
        if (record := self._records.get(route_id)) is not None:
            record.ends_as = cause
            record.was_replaced = was_replaced
            record.scope.cancel()

    def stop(self, route_id: str, stop: Stop) -> None:
        """Tell a session's client, if it is here and listens, that somebody wants it to stop."""
        record = self._records.get(route_id)
        if record is not None and record.notify_client is not None:
            record.notify_client(stop)

    def get(self, route_id: str) -> SessionRecord | None:
        """Return a route's record; None where nothing is known of it any more."""
        return self._records.get(route_id)

    def inherit(self, route: Route, former: Route | None, former_record: SessionRecord | None) -> SessionRecord:
        """Return the record of a route that was just registered, with what it has from its former self."""
        record = self._records[route.id]
        if former is not None and former_record is not None:
            record.event_log = former_record.event_log
            # One that a predecessor lends us may have been asked when its client had already left that.
            record.stop_requested = (former.is_detached or former.is_borrowed) and former_record.stop_requested
        return record
