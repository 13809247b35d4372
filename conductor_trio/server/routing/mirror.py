"""The mirror of another process's route table: it is what the feed tells, and changes nothing by itself.

A worker that has outlived its server hears no routes of the next one, which expects the sessions back and so has
none of them as yet: what runs is to go on. It hears only whom to let in no more, and what is over.
"""

from __future__ import annotations

import attrs

from conductor_trio.access.tokens import is_token_hash
from conductor_trio.server.routing.feed import FeedSource, RouteChange, RouteChanged, RouteDown, RouteUp
from conductor_trio.server.routing.routes import Route
from conductor_trio.server.routing.snapshot import describe_route, parse_route
from conductor_trio.server.routing.states import Cause, Ended
from conductor_trio.server.routing.table import RouteTable

#: What stands before the id of a route in its key in the feed.
ROUTE = "route:"
#: Before a host name: those are all who get in.
ACCESS = "access:"
#: Before a host name: its session is over.
ENDED = "ended:"


def feed_routes(routes: RouteTable, source: FeedSource) -> None:
    """Have a table's routes, and all their changes from now on, in a feed."""

    def tell(change: RouteChange) -> None:
        match change:
            case RouteUp(route=route) | RouteChanged(route=route):
                source.set(ROUTE + route.id, describe_fed(route))
            case RouteDown(route=route, cause=cause):
                source.drop(ROUTE + route.id, cause.value)

    for route in routes:
        source.set(ROUTE + route.id, describe_fed(route))
    routes.subscribe(tell)


def feed_ends(routes: RouteTable, source: FeedSource) -> None:
    """Have in a feed who gets in from now on, where that changes, and which sessions are over."""

    def tell(change: RouteChange) -> None:
        match change:
            case RouteChanged(route=route) if route.has_ended:
                source.set(ENDED + route.hosts[0], value=True)
            case RouteDown(route=route, cause=Cause.TAKEN_OVER) if not route.has_ended:
                source.set(ENDED + route.hosts[0], value=True)
            case RouteUp(route=route):
                source.set(ACCESS + route.hosts[0], _describe_access(route))
            case RouteChanged(route=route, before=before) if route.access != before.access:
                source.set(ACCESS + route.hosts[0], _describe_access(route))

    routes.subscribe(tell)


def _describe_access(route: Route) -> dict[str, object]:
    return {"auth": route.access.owner_hash, "shares": [share.id for share in route.access.shares]}


def describe_fed(route: Route) -> dict[str, object]:
    """Return a route as the feed tells it, in JSON."""
    is_ended = {"ended": True} if route.has_ended else {}
    was_cut = {"cut": True} if route.was_cut else {}
    is_borrowed = {"borrowed": True} if route.is_borrowed else {}
    return {**describe_route(route), "relay": route.relay_path, **is_ended, **was_cut, **is_borrowed}


def parse_fed(value: object) -> Route:
    """Read what `describe_fed` gave; raises ValueError."""
    route = parse_route(value)
    assert isinstance(value, dict)
    if value.get("ended") is True:
        route = attrs.evolve(
            route, state=Ended(since=route.state.since, expires=0.0, is_cut=value.get("cut") is True)
        )
    return attrs.evolve(route, is_borrowed=value.get("borrowed") is True)


class MirrorTable(RouteTable):
    """A route table that is told what it is."""

    def put(self, route: Route) -> None:
        """Have a route be as it is told, in the place of those that have its names."""
        before = self._by_id.get(route.id)
        if before is None:
            for holder in self._holders(route):
                self.drop(holder.id, Cause.REPLACED)
            self._put(route)
            self._publish(RouteUp(route=route))
            return
        if route.access == before.access:
            # What was concluded for who gets in stays so.
            route = attrs.evolve(route, access=before.access)
        self._remove(before)
        self._put(route)
        self._publish(RouteChanged(route=route, before=before))

    def drop(self, route_id: str, cause: Cause) -> None:
        """Know nothing of a route any more."""
        if (before := self._by_id.get(route_id)) is not None:
            self._remove(before)
            self._publish(RouteDown(route=before, cause=cause))

    def narrow(self, host: str, told: object) -> None:
        """Let in no more at a host name than the feed tells; raises ValueError for what is no such value."""
        match told:
            case {"auth": str() as auth, "shares": list() as shares} if is_token_hash(auth):
                self.narrow_access(host, auth, shares)
            case _:
                raise ValueError("nobody who gets in")

    def end(self, host: str) -> None:
        """Have the session of a host name be over."""
        route = self.find(host)
        if route is None or route.has_ended:
            return
        if route.is_attached:
            self.change(route.id, Cause.LEFT)
        else:
            self.drop(route.id, Cause.LEFT)
