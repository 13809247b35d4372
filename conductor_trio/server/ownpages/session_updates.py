"""What is told of sessions to those who look at their pages: made once for all of them, whenever it has changed.

One task looks at all sessions that are watched, and a look compares a few numbers. What it takes to make the text
anew is charged to the session, and to send it to each page.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections import Counter
from collections.abc import Hashable, Iterator

import attrs
import trio

from conductor_trio.access.grants import OWNER, Principal
from conductor_trio.limits.constants import MAX_TOLD_AT_ONCE
from conductor_trio.limits.server import ServerLimits
from conductor_trio.server.accounts.account import Account
from conductor_trio.server.accounts.fairness import charged_to, current_account
from conductor_trio.server.orders.orders import Orders
from conductor_trio.server.routing.ports import SessionService
from conductor_trio.server.routing.routes import Route
from conductor_trio.server.routing.table import RouteTable


@attrs.frozen
class Onlooker:
    """Who looks at a session's page: what let them in, and who they are, where the single sign-on says so."""

    principal: Principal
    identity: str | None = None


@attrs.define(eq=False)
class WatchedSession:
    """One session that somebody looks at, under its host name: when its link comes back, it is another route."""

    route: Route
    _routes: RouteTable
    _sessions: SessionService
    _orders: Orders
    account: Account | None  #: whom the looks are charged to
    pages: int = attrs.field(default=0, init=False)
    version: int = attrs.field(default=0, init=False)
    _told: dict[str, object] = attrs.field(factory=dict, init=False)
    _texts: tuple[str, str] = attrs.field(default=("", ""), init=False)  # for the owner, and for all others
    _people: list[dict[str, object]] = attrs.field(factory=list, init=False)
    _messages: dict[Onlooker, str] = attrs.field(factory=dict, init=False)
    _seen: Hashable = attrs.field(default=None, init=False)
    _changed: trio.Event = attrs.field(factory=trio.Event, init=False)

    def find(self) -> bool:
        """Take the session as it is now, and return whether it is still there."""
        found = self._routes.find(self.route.hosts[0])
        if found is None or found.has_ended:
            return False
        self.route = found
        return True

    def look(self) -> bool:
        """Make the text anew if something has changed, and return whether it has."""
        is_there = self.find()
        route = self.route
        announced = self._orders.announced
        seen = (route.id, route.access, announced, self._sessions.version(route)) if is_there else (announced,)
        if seen == self._seen:
            return False
        self._seen = seen
        # At the end the rest stays as it was.
        told = self._sessions.describe(self.route) if is_there else self._told | {"state": "ended"}
        self._told = told | {"announcement": announced}
        self._people = self._sessions.describe_people(self.route) if is_there else []
        texts = self._write(for_owner=True), self._write(for_owner=False)
        if texts == self._texts:
            return False
        self._texts = texts
        self._messages = {}
        self.version += 1
        self._changed.set()
        self._changed = trio.Event()
        return True

    def _write(self, *, for_owner: bool) -> str:
        if for_owner:
            told = self._told | self._sessions.describe_for_owner(self.route) | {"people": self._people}
        else:
            told = {name: value for name, value in self._told.items() if name not in ("shares", "ownVisitors")}
        return json.dumps(told | {"log": self._sessions.describe_events(self.route.id, for_owner=for_owner)})

    def message(self, onlooker: Onlooker) -> str:
        """Return what is to be sent to a page of theirs; only the owner is told who else is let in, or there."""
        message = self._messages.get(onlooker)
        if message is None:
            principal, is_owner = onlooker.principal, onlooker.principal == OWNER
            more: dict[str, object] = {"you": principal, "identity": onlooker.identity, "now": time.time()}
            if not is_owner:
                shares = self._told.get("shares", [])
                assert isinstance(shares, list)
                more["shares"] = [share for share in shares if share["id"] == principal]
                own = (principal, onlooker.identity)
                more["people"] = [one for one in self._people if (one["by"], one["identity"]) == own]
            text = self._texts[not is_owner]
            message = self._messages[onlooker] = f'{{"session": {text[:-1]}, {json.dumps(more)[1:]}}}'
        return message

    async def wait_change(self, version: int) -> None:
        """Return once the version is another."""
        while self.version == version:
            await self._changed.wait()


class SessionUpdates:
    """All sessions that somebody looks at, and the numbers of pages: of each, of a user's, from a network."""

    def __init__(
        self, routes: RouteTable, sessions: SessionService, limits: ServerLimits, orders: Orders | None = None
    ) -> None:
        self._routes = routes
        self._sessions = sessions
        self._limits = limits
        self._orders = Orders() if orders is None else orders
        self._watched: dict[str, WatchedSession] = {}
        self._of_users: Counter[Hashable] = Counter()
        self._of_networks: Counter[Hashable] = Counter()
        self._has_watched = trio.Event()

    def __len__(self) -> int:
        """Return how many sessions are looked at."""
        return len(self._watched)

    def has_room(self, route: Route, network: Hashable) -> bool:
        """Whether one more page of a session may be looked at from there."""
        limits, watched = self._limits, self._watched.get(route.hosts[0])
        return (
            (watched is None or watched.pages < limits.max_session_pages)
            and self._of_users[route.user] < limits.max_user_pages
            and self._of_networks[network] < limits.max_network_pages
        )

    @contextlib.contextmanager
    def watching(self, route: Route, network: Hashable) -> Iterator[WatchedSession]:
        """Within, the session is looked at by one page more."""
        host = route.hosts[0]
        watched = self._watched.get(host)
        if watched is None:
            watched = self._watched[host] = WatchedSession(
                route, self._routes, self._sessions, self._orders, current_account()
            )
        watched.pages += 1
        self._of_users[route.user] += 1
        self._of_networks[network] += 1
        watched.look()
        self._has_watched.set()
        try:
            yield watched
        finally:
            watched.pages -= 1
            if not watched.pages:
                del self._watched[host]
            for counter, key in ((self._of_users, route.user), (self._of_networks, network)):
                counter[key] -= 1
                if not counter[key]:
                    del counter[key]

    async def run(self) -> None:
        """Look at them for ever."""
        while True:
            if not self._watched:
                self._has_watched = trio.Event()
                await self._has_watched.wait()
            await trio.sleep(self._limits.page_update_pause)
            for number, watched in enumerate(list(self._watched.values()), start=1):
                with charged_to(watched.account):
                    if watched.look() or not number % MAX_TOLD_AT_ONCE:
                        await trio.lowlevel.checkpoint()
