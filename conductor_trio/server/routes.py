"""The route table: from a host name, looked up as a whole, to what is known under it. No I/O.

A name is that of a session (`Route`), of one whose link was lost and whose client is expected back (`LostRoute`),
of one that has ended (`EndedRoute`), or nobody's.
"""

from __future__ import annotations

import contextlib
import hmac
import time
from collections.abc import Callable, Iterable, Iterator

import attrs
import trio

from conductor_trio.config import Limits
from conductor_trio.errors import RegistrationRefused
from conductor_trio.server.fairness import Usage
from conductor_trio.server.upstream import UpstreamPool
from conductor_trio.wire.control import Takeover

_EXPIRY_INTERVAL = 1.0


@attrs.frozen(kw_only=True)
class SavedRoute:
    """What a server leaves of a route to its successor: its names, and whose requests to let wait for it."""

    hosts: tuple[str, ...]
    token_hash: str


@attrs.define(eq=False, kw_only=True)
class Route:
    """One session's address at the gateway: its hosts, the hash of its token, and the way to its relay socket.

    The exchanges and tunnels that run for it are registered here, so that the session takes down its own.
    """

    user: str
    key: str
    hosts: tuple[str, ...]
    token_hash: str
    pool: UpstreamPool
    #: The session's: cancelled when another one takes the name.
    session: trio.CancelScope = attrs.field(factory=trio.CancelScope)
    #: Whether, when the session ends now, the client is expected back.
    is_expected_back: bool = False
    is_replaced: bool = False
    #: Since when (Unix time) the application is starting, while it does.
    starting_since: float | None = None
    is_open: bool = True
    usage: Usage = attrs.field(factory=Usage, init=False)
    _scopes: set[trio.CancelScope] = attrs.field(factory=set, init=False)

    @property
    def connections(self) -> int:
        """How many exchanges and tunnels run."""
        return len(self._scopes)

    def enter(self, scope: trio.CancelScope) -> None:
        """Have a scope cancelled when the session ends, or at once where it has ended already."""
        self._scopes.add(scope)
        if not self.is_open:
            scope.cancel()

    def leave(self, scope: trio.CancelScope) -> None:
        """Leave a scope alone from now on."""
        self._scopes.discard(scope)

    def close(self) -> None:
        """End every exchange and tunnel of this route, and close its kept connections."""
        self.is_open = False
        for scope in self._scopes:
            scope.cancel()
        self.pool.close()

    def give_way(self) -> None:
        """End the session, because another one takes its name."""
        self.is_replaced = True
        self.close()
        self.session.cancel()


@attrs.define(eq=False, kw_only=True)
class LostRoute:
    """The address of a session whose link was lost.

    `user` is None for one that an earlier server has left; a host name is the same user's at any time.
    """

    user: str | None
    hosts: tuple[str, ...]
    token_hash: str
    since: float  # Unix time
    expires: float  # trio's time
    held: int = 0
    #: Set when the name is a session's again, or nobody's any more.
    settled: trio.Event = attrs.field(factory=trio.Event)

    def give_way(self) -> None:
        """Let the requests that wait look again."""
        self.settled.set()


@attrs.frozen(kw_only=True)
class EndedRoute:
    """The address of a session that has ended."""

    user: str | None
    since: float  # Unix time
    expires: float  # trio's time
    token_hash: None = None  #: nobody gets in


KnownRoute = Route | LostRoute | EndedRoute


class RouteTable:
    """All routes by host name."""

    def __init__(self, limits: Limits, clock: Callable[[], float] = trio.current_time) -> None:
        self._limits = limits
        self._clock = clock
        self._by_host: dict[str, Route | LostRoute] = {}
        self._total = 0
        self._lost: dict[LostRoute, None] = {}  # in the order of their times, as the next two
        self._ended: dict[str, EndedRoute] = {}
        self._ended_of_user: dict[str | None, dict[str, None]] = {}
        self._has_changed = trio.Event()

    def find(self, host: str) -> KnownRoute | None:
        """Return what is known of a host name in lower case, without port and trailing dot."""
        return self._by_host.get(host) or self._ended.get(host)

    def __len__(self) -> int:
        return self._total

    @property
    def lost(self) -> int:
        """How many sessions are expected back."""
        return len(self._lost)

    def live(self) -> list[Route]:
        """Return the routes of the sessions that are."""
        return list(dict.fromkeys(holder for holder in self._by_host.values() if isinstance(holder, Route)))

    @contextlib.contextmanager
    def registered(self, route: Route, takeover: Takeover = Takeover.OWN) -> Iterator[None]:
        """Hold the route in the table; raises `RegistrationRefused` where one of its names is taken.

        On leaving, all that ran for the route is cancelled, and the names are what `is_expected_back` says.
        """
        self._take_over(route, takeover)
        for host in route.hosts:
            self._by_host[host] = route
            self._forget_ended(host)
        self._total += 1
        self._notify()
        try:
            yield
        finally:
            self._total -= 1
            route.close()
            if not route.is_replaced:
                self._remove(route)
                if route.is_expected_back:
                    self._add_lost(route.user, route.hosts, route.token_hash, time.time())
                else:
                    self._add_ended(route.user, route.hosts, time.time())
            self._notify()

    def _take_over(self, route: Route, takeover: Takeover) -> None:
        """Have the holders of the route's names give way; raises `RegistrationRefused` where one does not."""
        holders = dict.fromkeys(holder for host in route.hosts if (holder := self._by_host.get(host)))
        for holder in holders:
            is_own = hmac.compare_digest(holder.token_hash, route.token_hash)
            is_same_user = holder.user in (route.user, None)
            may_take = takeover is Takeover.ANY or (takeover is Takeover.OWN and is_own)
            if not (is_same_user and may_take):
                raise RegistrationRefused(_name_taken(route.key, holder))
        for holder in holders:
            self._remove(holder)
            holder.give_way()

    def _remove(self, holder: Route | LostRoute) -> None:
        for host in holder.hosts:
            del self._by_host[host]
        if isinstance(holder, LostRoute):
            del self._lost[holder]

    def _add_lost(self, user: str | None, hosts: tuple[str, ...], token_hash: str, since: float) -> None:
        expires = self._clock() + self._limits.lost_timeout
        lost = LostRoute(user=user, hosts=hosts, token_hash=token_hash, since=since, expires=expires)
        for host in hosts:
            self._by_host[host] = lost
        self._lost[lost] = None

    def _add_ended(self, user: str | None, hosts: tuple[str, ...], since: float) -> None:
        expires = self._clock() + self._limits.ended_timeout
        ended = EndedRoute(user=user, since=since, expires=expires)
        for host in hosts:
            self._ended[host] = ended
            own = self._ended_of_user.setdefault(user, {})
            own[host] = None
            # One user's many sessions do not push out what is remembered of others'.
            if len(own) > self._limits.max_ended_per_user:
                self._forget_ended(next(iter(own)))
            elif len(self._ended) > self._limits.max_ended:
                self._forget_ended(next(iter(self._ended)))

    def _forget_ended(self, host: str) -> None:
        ended = self._ended.pop(host, None)
        if ended is not None:
            own = self._ended_of_user[ended.user]
            del own[host]
            if not own:
                del self._ended_of_user[ended.user]

    async def run_expiry(self) -> None:
        """Give up sessions that have not come back, and forget those that ended long ago, for ever."""
        while True:
            await trio.sleep(_EXPIRY_INTERVAL)
            self.expire()

    def expire(self) -> None:
        """Do what is due."""
        now = self._clock()
        while self._lost and (lost := next(iter(self._lost))).expires <= now:
            self._remove(lost)
            self._add_ended(lost.user, lost.hosts, lost.since)
            lost.give_way()
            self._notify()
        while self._ended and self._ended[host := next(iter(self._ended))].expires <= now:
            self._forget_ended(host)

    def snapshot(self) -> tuple[SavedRoute, ...]:
        """Return the routes that a successor has to expect."""
        holders = dict.fromkeys(self._by_host.values())
        return tuple(SavedRoute(hosts=holder.hosts, token_hash=holder.token_hash) for holder in holders)

    def restore(self, saved: Iterable[SavedRoute], since: float) -> None:
        """Expect the sessions of an earlier server back, whose links were lost at `since` (Unix time)."""
        for route in saved:
            if not any(host in self._by_host for host in route.hosts):
                self._add_lost(None, route.hosts, route.token_hash, since)
        self._notify()

    async def wait_changed(self) -> None:
        """Return once `snapshot` may give something else than at the last call's return."""
        await self._has_changed.wait()
        self._has_changed = trio.Event()

    def _notify(self) -> None:
        self._has_changed.set()


def _name_taken(key: str, holder: Route | LostRoute) -> str:
    if isinstance(holder, LostRoute):
        return (
            f"name taken: the key {key} is kept for a session of yours whose link was lost; it is free as soon as "
            "that has not come back for a while; choose another key, or take it over (-r)"
        )
    return (
        f"name taken: the key {key} is in use by another session of yours; end that one, choose another key, or "
        "take it over (-r)"
    )
