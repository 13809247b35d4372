"""The watch on all sessions, by the feed of the route table: counted for the measures, told to the audit log."""

from __future__ import annotations

import math
from typing import assert_never

from conductor_trio.access.grants import Share
from conductor_trio.server.observability.audit_log import AuditLog
from conductor_trio.server.observability.measures import Measures
from conductor_trio.server.observability.sink import format_time
from conductor_trio.server.routing.feed import RouteChange, RouteChanged, RouteDown, RouteUp
from conductor_trio.server.routing.routes import Route
from conductor_trio.server.routing.states import Cause
from conductor_trio.server.routing.table import Clock

#: What each change of a session is called in the audit log, and counted as.
EVENTS = ("registered", "live", "lost", "expected", "back", "moved", "replaced", "ended")


class SessionWatch:
    """Hears of every change of every route, and does the same whatever their number."""

    def __init__(self, measures: Measures, audit: AuditLog, clock: Clock) -> None:
        self._measures = measures
        self._audit = audit
        self._clock = clock
        #: A successor has the sessions by now, and tells of them.
        self.is_over = False
        self._replaced: Route | None = None  # by the route that the table publishes next

    def hear(self, change: RouteChange) -> None:
        """Note a change; to be subscribed to the route table."""
        match change:
            case RouteUp(route=route):
                self._measures.sessions[_state(route)] += 1
                self._note_up(route)
            case RouteChanged(route=route, before=before):
                self._measures.sessions[_state(before)] -= 1
                self._measures.sessions[_state(route)] += 1
                if not self.is_over:
                    self._note_changed(route, before)
            case RouteDown(route=route, cause=cause):
                self._measures.sessions[_state(route)] -= 1
                if not self.is_over and not route.has_ended:
                    self._note_down(route, cause)
            case _:
                assert_never(change)

    def _note_up(self, route: Route) -> None:
        former, self._replaced = self._replaced, None
        if former is not None and former.user != route.user:
            former = None
        if route.is_borrowed:
            return  # the predecessor has told of it
        shares = [{"by": share.id, "label": share.label, "with": share.grantee} for share in route.access.shares]
        came = {"shares": shares, "former": None if former is None else former.id, **_describe_client(route)}
        if route.is_detached:
            self._tell("expected", route, **came)
        elif former is not None and former.is_detached:
            self._tell("back", route, **came)
        elif former is not None and former.is_borrowed:
            self._tell("moved", route, **came)
        else:
            self._tell("registered", route, key=route.key, hosts=list(route.hosts), **came)
            if route.is_live:
                self._note_ready(route)

    def _note_ready(self, route: Route) -> None:
        took = self._clock.monotonic() - route.opened
        if math.isinf(took):  # another server has seen it come
            self._tell("live", route)
            return
        self._measures.ready.observe(took)
        self._tell("live", route, seconds=round(took, 3))

    def _note_changed(self, route: Route, before: Route) -> None:
        if type(route.state) is not type(before.state):
            if route.is_live:
                self._note_ready(route)
            elif route.is_detached:
                self._tell("lost", route)
            else:
                why = "its client did not come back" if before.is_detached else "its client has left"
                self._tell("ended", route, why=why)
        if self._audit.is_kept and route.access != before.access:
            self._tell_shares(route, before)

    def _note_down(self, route: Route, cause: Cause) -> None:
        self._replaced = route
        if cause is Cause.REPLACED and (route.is_borrowed or route.is_detached):
            return  # by its own client, or its owner's next one, as what follows tells
        why = {Cause.TAKEN_OVER: "another client took its name over"}.get(cause, f"it was {cause.value}")
        self._tell("replaced", route, why=why)

    def _tell_shares(self, route: Route, before: Route) -> None:
        now = self._clock.wall()
        earlier = {share.id: share for share in before.access.shares}
        later = {share.id: share for share in route.access.shares}
        for share in later.values():
            if share.id not in earlier:
                expires = None if share.expires is None else format_time(share.expires)
                self._tell_share("share_made", route, share, expires=expires, is_once=share.is_once)
            elif earlier[share.id].token_hash != share.token_hash:
                self._tell_share("share_used", route, share)
        for share in earlier.values():
            if share.id not in later:
                why = "its time was over" if share.is_over(now) else "its owner revoked it"
                self._tell_share("share_ended", route, share, why=why)

    def _tell_share(self, event: str, route: Route, share: Share, **fields: object) -> None:
        told = {"share": share.id, "label": share.label, "with": share.grantee}
        self._audit.note(event, **_describe(route), **told, **fields)

    def _tell(self, event: str, route: Route, **fields: object) -> None:
        assert event in EVENTS
        self._measures.session_events[event] += 1
        if self._audit.is_kept:
            self._audit.note(f"session_{event}", **_describe(route), **fields)


def _state(route: Route) -> str:
    """Return the word for a route's state that owners are told, too."""
    if route.is_live:
        return "live"
    if route.is_detached:
        return "lost"
    return "ended" if route.has_ended else "starting"


def _describe(route: Route) -> dict[str, object]:
    return {"host": route.hosts[0], "user": route.user, "session": route.id}


def _describe_client(route: Route) -> dict[str, object]:
    """Return where the client is, as it says, and how it came here, as the kernel says."""
    return {"node": route.node or None, "ssh_client": route.ssh_client, "ssh_process": route.ssh_process}
