"""Visits, for the audit log: who is let in at a session, by what and from where, and until when.

A visit begins with the first request that was let in, and is over when none was under way for a while: an
open page or notebook, whose connections stay, is one visit for as long as it is open.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import attrs
import trio

from conductor_trio.access.grants import Principal
from conductor_trio.limits.constants import MAX_TOLD_AT_ONCE
from conductor_trio.limits.observability import MAX_VISITS, VISIT_PAUSE, VISITS_INTERVAL
from conductor_trio.server.observability.audit_log import AuditLog, describe_grant
from conductor_trio.server.observability.sink import format_time
from conductor_trio.server.routing.routes import Route

_Key = tuple[str, Principal, str, str | None]


@attrs.define(eq=False)
class Visit:
    """Somebody's."""

    began: dict[str, object]  #: what was told at its beginning
    _clock: Callable[[], float]
    under_way: int = 0  #: requests and tunnels
    requests: int = 0
    last: float = 0.0  #: Unix time of the last end of one

    def enter(self) -> None:
        """Count a request."""
        self.under_way += 1
        self.requests += 1

    def leave(self) -> None:
        """The request, or the tunnel that it became, has ended."""
        self.under_way -= 1
        self.last = self._clock()


class Visits:
    """All visits of this time; those that are too many to be remembered are told as over, the oldest first."""

    def __init__(self, audit: AuditLog, clock: Callable[[], float] = time.time) -> None:
        self._audit = audit
        self._clock = clock
        self._visits: dict[_Key, Visit] = {}

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._visits)

    def enter(self, route: Route, principal: Principal, address: str, identity: str | None = None) -> Visit:
        """Count a request that was let in; whoever does calls the visit's `leave` at its end."""
        key = (route.hosts[0], principal, address, identity)
        visit = self._visits.get(key)
        if visit is None:
            visit = self._begin(key, route)
        visit.enter()
        return visit

    def _begin(self, key: _Key, route: Route) -> Visit:
        if len(self._visits) >= MAX_VISITS:
            oldest = next(iter(self._visits))
            self._end(oldest, self._visits[oldest])
        host, principal, address, identity = key
        told = {
            "host": host,
            "user": route.user,
            "session": route.id,
            **describe_grant(route.access, principal, identity),
            "address": address,
        }
        self._audit.note("visit_began", **told)
        visit = self._visits[key] = Visit(told, self._clock)
        return visit

    def _end(self, key: _Key, visit: Visit) -> None:
        del self._visits[key]
        last = self._clock() if visit.under_way else visit.last
        self._audit.note("visit_ended", **visit.began, requests=visit.requests, last=format_time(last))

    async def run(self) -> None:
        """Look for visits that are over, for ever."""
        while True:
            await trio.sleep(VISITS_INTERVAL)
            await self.end_those_over()

    async def end_those_over(self) -> None:
        """Tell of visits that are over, a few at a time."""
        over = self._clock() - VISIT_PAUSE
        for number, (key, visit) in enumerate(list(self._visits.items()), start=1):
            if not visit.under_way and visit.last <= over and self._visits.get(key) is visit:
                self._end(key, visit)
            if not number % MAX_TOLD_AT_ONCE:
                await trio.lowlevel.checkpoint()

    def end_all(self) -> None:
        """Tell that all are over: the server ends, or another one goes on with them."""
        for key, visit in list(self._visits.items()):
            self._end(key, visit)
