"""The route table: from a host name, looked up as a whole, to what is known under it. No I/O."""

from __future__ import annotations

import contextlib
import hmac
import time
from collections.abc import Callable, Iterable, Iterator

import trio

from conductor_trio.access.grants import Access
from conductor_trio.control.messages import Takeover
from conductor_trio.errors import RegistrationRefused
from conductor_trio.limits import ServerLimits
from conductor_trio.server.routing.routes import (
    DetachedRoute,
    KnownRoute,
    Route,
    SavedRoute,
    Tombstone,
)

_EXPIRY_INTERVAL = 1.0


class RouteTable:
    """All routes by host name."""

    def __init__(self, limits: ServerLimits, clock: Callable[[], float] = trio.current_time) -> None:
        self._limits = limits
        self._clock = clock
        self._by_host: dict[str, Route | DetachedRoute] = {}
        self._total = 0
        self._lost: dict[DetachedRoute, None] = {}  # in the order of their times, as the next two
        self._ended: dict[str, Tombstone] = {}
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

    def of_user(self, user: str) -> list[Route | DetachedRoute]:
        """Return a user's sessions, those that are and those that are expected back."""
        return list(dict.fromkeys(holder for holder in self._by_host.values() if holder.user == user))

    @contextlib.contextmanager
    def registered(self, route: Route, takeover: Takeover = Takeover.OWN) -> Iterator[None]:
        """Hold the route in the table; raises `RegistrationRefused` where one of its names is taken.

        On leaving, all that ran for the route is cancelled, and the names are what `is_resumable` says.
        """
        former = self._former_self(route)
        self._take_over(route, takeover)
        if former is not None:
            route.access = former.access if former.access.shares else route.access
            route.stop_requested = isinstance(former, DetachedRoute) and former.stop_requested
            route.event_log = former.event_log
        for host in route.hosts:
            self._by_host[host] = route
            self._forget_ended(host)
        self._total += 1
        self._notify()
        try:
            yield
        finally:
            route.close()
            if not route.is_replaced:
                self._remove(route)
                if route.is_resumable:
                    self._add_lost(_lost(route, time.time(), self._clock() + self._limits.detached_timeout))
                else:
                    self._add_ended(route, time.time())
            self._notify()

    def _former_self(self, route: Route) -> Route | DetachedRoute | None:
        """Return what the same owner's session was before its link was lost, or it was started anew."""
        for host in route.hosts:
            known = self.find(host)
            former = known.former if isinstance(known, Tombstone) else known
            if former is not None and hmac.compare_digest(former.access.owner, route.token_hash):
                return former
        return None

    def _take_over(self, route: Route, takeover: Takeover) -> None:
        """Have the holders of the route's names give way; raises `RegistrationRefused` where one does not."""
        holders = dict.fromkeys(holder for host in route.hosts if (holder := self._by_host.get(host)))
        for holder in holders:
            is_own = hmac.compare_digest(holder.access.owner, route.token_hash)
            is_same_user = holder.user in (route.user, None)
            may_take = takeover is Takeover.ANY or (takeover is Takeover.OWN and is_own)
            if not (is_same_user and may_take):
                raise _name_taken(route.key, holder)
        for holder in holders:
            self._remove(holder)
            holder.yield_name()

    def _remove(self, holder: Route | DetachedRoute) -> None:
        for host in holder.hosts:
            del self._by_host[host]
        if isinstance(holder, DetachedRoute):
            del self._lost[holder]
        else:
            self._total -= 1

    def _add_lost(self, lost: DetachedRoute) -> None:
        for host in lost.hosts:
            self._by_host[host] = lost
        self._lost[lost] = None

    def _add_ended(self, former: Route | DetachedRoute, since: float) -> None:
        expires = self._clock() + self._limits.tombstone_timeout
        user = former.user
        ended = Tombstone(user=user, since=since, expires=expires, former=former)
        for host in former.hosts:
            self._ended[host] = ended
            own = self._ended_of_user.setdefault(user, {})
            own[host] = None
            # One user's many sessions do not push out what is remembered of others'.
            if len(own) > self._limits.max_tombstones_per_user:
                self._forget_ended(next(iter(own)))
            elif len(self._ended) > self._limits.max_tombstones:
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
            self._add_ended(lost, lost.since)
            lost.yield_name()
            self._notify()
        while self._ended and self._ended[host := next(iter(self._ended))].expires <= now:
            self._forget_ended(host)
        self._end_shares(time.time())

    def _end_shares(self, now: float) -> None:
        """End the shares whose time (Unix time) has come, and what was let in by them."""
        for holder in dict.fromkeys(self._by_host.values()):
            over = {share.id for share in holder.access.shares if share.is_over(now)}
            if over and isinstance(holder, Route):
                holder.revoke(over)
            elif over:
                holder.access = holder.access.without(over)

    def snapshot(self) -> tuple[SavedRoute, ...]:
        """Return the routes that a successor has to expect."""
        holders = dict.fromkeys(self._by_host.values())
        return tuple(
            SavedRoute(hosts=holder.hosts, token_hash=holder.access.owner, shares=holder.access.shares)
            for holder in holders
        )

    def restore(self, saved: Iterable[SavedRoute], since: float) -> None:
        """Expect the sessions of an earlier server back, whose links were lost at `since` (Unix time)."""
        for route in saved:
            if not any(host in self._by_host for host in route.hosts):
                access = Access(owner=route.token_hash, shares=route.shares)
                expires = self._clock() + self._limits.detached_timeout
                self._add_lost(
                    DetachedRoute(
                        user=None, key="", hosts=route.hosts, access=access, since=since, expires=expires
                    )
                )
        self._notify()

    async def wait_changed(self) -> None:
        """Return once `snapshot` may give something else than at the last call's return."""
        await self._has_changed.wait()
        self._has_changed = trio.Event()

    def set_access(self, holder: Route | DetachedRoute, access: Access) -> None:
        """Let others in from now on; who was let in by what is no longer there has to go."""
        gone = {share.id for share in holder.access.shares} - {share.id for share in access.shares}
        if isinstance(holder, Route):
            holder.revoke(gone)
        holder.access = access
        self._notify()

    def _notify(self) -> None:
        self._has_changed.set()


def _lost(route: Route, since: float, expires: float) -> DetachedRoute:
    return DetachedRoute(
        user=route.user,
        key=route.key,
        hosts=route.hosts,
        access=route.access,
        since=since,
        expires=expires,
        node=route.node,
        until=route.until,
        event_log=route.event_log,
    )


def _name_taken(key: str, holder: Route | DetachedRoute) -> RegistrationRefused:
    if isinstance(holder, DetachedRoute):
        return RegistrationRefused(
            f"name taken: the key {key} is kept for a session of yours whose link was lost; it is free as soon as "
            "that has not come back for a while",
            advice="choose another key, or take it over (-r)",
        )
    return RegistrationRefused(
        f"name taken: the key {key} is in use by another session of yours",
        advice="end that one, choose another key, or take it over (-r)",
    )
