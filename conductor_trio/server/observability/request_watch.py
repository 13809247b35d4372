"""The watch on the requests of one visitor's connection: when each began, what it waited for, how it ended.

It stands on the way of every request, so that it has one object for all of them and notes numbers; what is
seldom, or asked for by few, is told by calls of its own. Nor does it look at a clock: its times are those at which
the turns of the event loop began, so that a request that is answered within one took no time.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import Protocol

import attrs

from conductor_trio.access.grants import Principal
from conductor_trio.http1.forwarded import Peer
from conductor_trio.http1.request import RequestHead
from conductor_trio.limits.observability import REQUEST_TIME_BOUNDS
from conductor_trio.server.observability.access_log import AccessEntry, AccessLog
from conductor_trio.server.observability.measures import Measures
from conductor_trio.server.observability.visits import Visit, Visits
from conductor_trio.server.routing.routes import Route


class Turn(Protocol):
    """This turn of the event loop."""

    @property
    def woke_at(self) -> float:
        """When it began, in seconds."""


@attrs.define(eq=False)
class RequestWatch:
    """Follows one request after the other, from `begin` to `end`."""

    _measures: Measures
    _turn: Turn
    _peer: Peer
    _log: AccessLog | None = None
    _visits: Visits | None = None
    names_visitors: bool = attrs.field(init=False)  #: whether somebody wants to know who is let in
    status: int = attrs.field(default=0, init=False)  #: of the response; 0 where none has begun
    sent: int = attrs.field(default=0, init=False)  #: bytes to the visitor
    #: What the application is told to call the request by, nothing where it is not.
    request_id: bytes = attrs.field(default=b"", init=False)
    _began: float = attrs.field(default=0.0, init=False)  # 0: none is under way
    _answered: float = attrs.field(default=0.0, init=False)  # when the application's response began
    _queued: float = attrs.field(default=0.0, init=False)  # seconds
    _connecting: float = attrs.field(default=0.0, init=False)  # seconds
    _is_upgraded: bool = attrs.field(default=False, init=False)
    _is_plain: bool = attrs.field(init=False)  # it has waited for nothing but the application, and is not told of
    _entry: AccessEntry | None = attrs.field(default=None, init=False)
    _visit: Visit | None = attrs.field(default=None, init=False)

    def __attrs_post_init__(self) -> None:
        self.names_visitors = self._log is not None or self._visits is not None
        self._is_plain = not self.names_visitors

    def begin(self, request: RequestHead) -> None:
        """A request's head is here."""
        self._began = self._turn.woke_at
        self._answered = 0.0
        self.status = self.sent = 0
        if self._log is not None:
            self._entry = self._log.open_entry(request, self._peer)
            self.request_id = self._entry.request_id

    def note_admitted(
        self, route: Route, principal: Principal, request: RequestHead, identity: str | None = None
    ) -> None:
        """It was let in; to be told where `names_visitors`, perhaps again for another link's session.

        `identity` is who the visitor is, where the single sign-on says so.
        """
        if self._entry is not None:
            self._entry.admit(route, principal, identity)
        if self._visits is not None:
            if self._visit is not None:
                self._visit.leave()
            self._visit = self._visits.enter(route, principal, self._peer.visitor_address(request), identity)

    def note_route(self, route: Route) -> None:
        """It was for that session, and nobody was let in; to be told where `names_visitors`."""
        if self._entry is not None:
            self._entry.name_session(route)

    def note_queued(self, seconds: float) -> None:
        """It has waited that long before anything was done for it."""
        self._queued += seconds
        self._is_plain = False

    def note_parked(self, seconds: float) -> None:
        """It has waited that long for a session whose link was lost."""
        self._measures.parked += 1
        self.note_queued(seconds)

    def note_connecting(self, seconds: float) -> None:
        """It has waited that long for a connection to the relay socket."""
        self._connecting += seconds
        self._is_plain = False

    def note_response(self, status: int) -> None:
        """The application's response begins."""
        self.status = status
        self._answered = self._turn.woke_at

    def note_upgrade(self) -> None:
        """The connection goes on with another protocol, which may last: what it took as a request is known now."""
        self.status = self.status or 101  # of a page of our own, for which no application has answered
        self._is_upgraded = True
        self._is_plain = False
        self._measures.upgrades += 1

    def forget(self) -> None:
        """Another process tells of the request that is under way."""
        self._began = 0.0
        self._queued = self._connecting = 0.0
        self._entry = None
        if self._visit is not None:
            self._visit.leave()
            self._visit = None

    def end(self, *, is_cut: bool = False) -> None:
        """Nothing more happens for the request, if one is under way; `is_cut` where its response broke off."""
        began, answered = self._began, self._answered
        if not began:
            return
        now, measures = self._turn.woke_at, self._measures
        took = now - began
        if self._is_plain and answered:  # as nearly always: nothing is called
            place = bisect_left(REQUEST_TIME_BOUNDS, took)
            whole, direct = measures.by_application[self.status // 100], measures.direct
            whole.counts[place] += 1
            whole.sum += took
            if answered != now:
                took = answered - began
                place = bisect_left(REQUEST_TIME_BOUNDS, took)
            direct.counts[place] += 1
            direct.sum += took
        else:
            self._end_seldom(took, is_cut=is_cut)
        self._began = 0.0

    def _end_seldom(self, took: float, *, is_cut: bool) -> None:
        measures, answered = self._measures, self._answered
        first_byte = answered - self._began if answered else None
        if self._is_upgraded:
            pass
        elif first_byte is None:
            measures.by_gateway[self.status // 100].observe(took)
        else:
            measures.by_application[self.status // 100].observe(took)
            if self._queued or self._connecting:
                self._note_hops(first_byte)
            else:
                measures.direct.observe(first_byte)
        if self.names_visitors:
            self._tell(took, first_byte, is_cut=is_cut)
        self._queued = self._connecting = 0.0
        self._is_upgraded = False
        self._is_plain = not self.names_visitors

    def _note_hops(self, first_byte: float) -> None:
        measures = self._measures
        measures.first_byte.observe(first_byte)
        measures.queue.observe(self._queued)
        if self._connecting:
            measures.connect.observe(self._connecting)
        measures.application.observe(max(0.0, first_byte - self._queued - self._connecting))

    def _tell(self, took: float, first_byte: float | None, *, is_cut: bool) -> None:
        if self._visit is not None:
            self._visit.leave()
            self._visit = None
        if self._log is not None and self._entry is not None:
            entry, self._entry = self._entry, None
            entry.status, entry.sent, entry.took, entry.is_cut = self.status, self.sent, took, is_cut
            entry.queued, entry.first_byte = self._queued, first_byte
            self._log.write(entry)
