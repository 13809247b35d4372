"""Sessions that stand: how many each user has, and how many of them are expected to come back here."""

from __future__ import annotations

from collections import Counter

from conductor_trio.server.routing.feed import RouteChange, RouteChanged, RouteDown, RouteUp
from conductor_trio.server.routing.routes import Route
from conductor_trio.server.routing.table import RouteTable


class StandingSessions:
    """Counts, following the route table; those of nobody who is known count for nobody."""

    def __init__(self, routes: RouteTable) -> None:
        self._standing: Counter[str | None] = Counter()
        self._returning: Counter[str | None] = Counter()
        routes.subscribe(self._follow)

    def of_user(self, user: str) -> int:
        """Return how many sessions of a user have not ended."""
        return self._standing[user]

    def returning(self, user: str) -> int:
        """Return how many of them are expected: their links were lost, or a predecessor still has them."""
        return self._returning[user]

    @property
    def returning_in_all(self) -> int:
        """How many sessions of all users are expected."""
        return self._returning.total()

    def _follow(self, change: RouteChange) -> None:
        match change:
            case RouteUp(route=route):
                self._count(route, 1)
            case RouteChanged(route=route, before=before):
                self._count(before, -1)
                self._count(route, 1)
            case RouteDown(route=route):
                self._count(route, -1)

    def _count(self, route: Route, change: int) -> None:
        if not route.has_ended:
            _add(self._standing, route.user, change)
            if route.is_detached or route.is_borrowed:
                _add(self._returning, route.user, change)


def _add(counter: Counter[str | None], user: str | None, change: int) -> None:
    counter[user] += change
    if not counter[user]:
        del counter[user]
