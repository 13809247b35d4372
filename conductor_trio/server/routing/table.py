"""The route table: from a host name, looked up as a whole, to the route that has it. Sans-IO: the clock is given.

A session's state changes here and nowhere else, as `states.TRANSITIONS` says, and every change is published to
those who subscribed, in the order of the changes, before the call that made it returns.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Container, Iterator

import attrs

from conductor_trio.access.grants import Access
from conductor_trio.access.tokens import TokenHash
from conductor_trio.control.messages import Takeover
from conductor_trio.errors import RegistrationRefused
from conductor_trio.limits.server import ServerLimits
from conductor_trio.server.routing.feed import RouteChange, RouteChanged, RouteDown, RouteUp, Subscriber
from conductor_trio.server.routing.routes import Route
from conductor_trio.server.routing.snapshot import Snapshot
from conductor_trio.server.routing.states import Cause, Detached, Ended, Gone, next_state


@attrs.frozen(kw_only=True)
class Clock:
    """The two times that the table goes by, in seconds: a monotonic one for deadlines, Unix time for people."""

    monotonic: Callable[[], float]
    wall: Callable[[], float]


class RouteTable:
    """All routes, by host name and by id."""

    def __init__(self, limits: ServerLimits, clock: Clock) -> None:
        self._limits = limits
        self.clock = clock
        self._by_host: dict[str, Route] = {}
        self._by_id: dict[str, Route] = {}
        # Ids of detached and of ended ones, each in the order in which their time will be over.
        self._detached: dict[str, None] = {}
        self._ended: dict[str, None] = {}
        self._ended_of_user: dict[str | None, dict[str, None]] = {}
        self._subscribers: list[Subscriber] = []

    def subscribe(self, subscriber: Subscriber) -> None:
        """Have every change from now on told to `subscriber`, at once."""
        self._subscribers.append(subscriber)

    def find(self, host: str) -> Route | None:
        """Return what is known of a host name in lower case, without port and trailing dot."""
        return self._by_host.get(host)

    def get(self, route_id: str) -> Route | None:
        """Return the route of that id as it is now."""
        return self._by_id.get(route_id)

    def __iter__(self) -> Iterator[Route]:
        """Yield all that is known, tombstones, too."""
        return iter(list(self._by_id.values()))

    def __len__(self) -> int:
        """Return how many sessions have a client here."""
        return len(self._by_id) - len(self._detached) - len(self._ended)

    @property
    def detached(self) -> int:
        """How many sessions are expected back."""
        return len(self._detached)

    @property
    def ended(self) -> int:
        """How many tombstones there are."""
        return len(self._ended)

    def attached(self) -> list[Route]:
        """Return the routes of the sessions whose clients are here."""
        return [route for route in self._by_id.values() if route.is_attached]

    def of_user(self, user: str) -> list[Route]:
        """Return a user's sessions, those that are and those that are expected back."""
        return [route for route in self._by_id.values() if route.user == user and not route.has_ended]

    def register(self, route: Route, takeover: Takeover = Takeover.OWN) -> Route:
        """Put a route in, in the place of those that have its names; raises `RegistrationRefused` where one stays.

        Who was let in by its `former_self` is by the new route, which is returned.
        """
        holders = self._holders(route)
        for holder in holders:
            if not holder.has_ended:
                self._check_takeover(route, holder, takeover)
        former = self.former_self(route)
        if former is not None:
            route = attrs.evolve(route, access=former.access)
        cause = Cause.TAKEN_OVER if takeover is Takeover.ANY else Cause.REPLACED
        for holder in holders:
            self.change(holder.id, cause)
        self._put(route)
        self._publish(RouteUp(route=route))
        return route

    def _check_takeover(self, route: Route, holder: Route, takeover: Takeover) -> None:
        """Raise `RegistrationRefused` unless the route may take the names of that holder."""
        is_own = hmac.compare_digest(holder.access.owner_hash, route.access.owner_hash)
        is_same_user = holder.user in (route.user, None)
        is_older = holder.is_attached and route.opened < holder.opened - self._limits.same_time
        if is_same_user and is_own and is_older:
            # What a client had sent that was killed or cut off since, and started or dialled anew.
            raise RegistrationRefused(
                f"name taken: the key {route.key} is in use by a session of yours with the same token, whose "
                "client came after this one"
            )
        if is_same_user and (takeover is Takeover.ANY or (takeover is Takeover.OWN and is_own)):
            return
        if holder.is_detached:
            raise RegistrationRefused(
                f"name taken: the key {route.key} is kept for a session of yours whose link was lost; it is free "
                "as soon as that has not come back for a while",
                advice="choose another key, or take it over (-r)",
            )
        raise RegistrationRefused(
            f"name taken: the key {route.key} is in use by another session of yours",
            advice="end that one, choose another key, or take it over (-r)",
        )

    def former_self(self, route: Route) -> Route | None:
        """Return what the same owner's session was before its link was lost, or before it was started anew."""
        owner = route.access.owner_hash
        return next((h for h in self._holders(route) if hmac.compare_digest(h.access.owner_hash, owner)), None)

    def snapshot(self) -> Snapshot:
        """Return the sessions that a successor has to expect, as they are now."""
        routes = tuple(route for route in self._by_id.values() if not route.has_ended)
        return Snapshot(since=self.clock.wall(), routes=routes)

    def _holders(self, route: Route) -> list[Route]:
        """Return the routes that have one of the names of this one."""
        by_id = {holder.id: holder for host in route.hosts if (holder := self._by_host.get(host))}
        return list(by_id.values())

    def change(self, route_id: str, cause: Cause) -> None:
        """Turn a route's state into the one that follows from `cause`; one that is gone stays so."""
        before = self._by_id.get(route_id)
        if before is None:
            return
        now, monotonic = self.clock.wall(), self.clock.monotonic()
        is_loss = cause is Cause.LINK_LOST
        lasts = self._limits.detached_timeout if is_loss else self._limits.tombstone_timeout
        state = next_state(before.state, cause, now=now, expires=monotonic + lasts)
        self._remove(before)
        if isinstance(state, Gone):
            self._publish(RouteDown(route=before, cause=cause))
            return
        leads_on = not isinstance(state, Detached | Ended)
        route = attrs.evolve(before, state=state, relay_path=before.relay_path if leads_on else None)
        self._put(route)
        self._publish(RouteChanged(route=route, before=before))
        if route.has_ended:
            self._bound_tombstones(route.user)

    def set_access(self, route_id: str, access: Access) -> None:
        """Let others in from now on."""
        before = self._by_id.get(route_id)
        if before is not None and before.access != access:
            route = attrs.evolve(before, access=access)
            self._by_id[route_id] = route
            self._by_host |= dict.fromkeys(route.hosts, route)
            self._publish(RouteChanged(route=route, before=before))

    def narrow_access(self, host: str, owner_hash: TokenHash, shares: Container[object]) -> None:
        """Let in nobody at a host name but those whom another table lets in, and who are let in here already."""
        route = self.find(host)
        if route is None:
            return
        if hmac.compare_digest(owner_hash, route.access.owner_hash):
            gone = [share.id for share in route.access.shares if share.id not in shares]
            self.set_access(route.id, route.access.without(gone))
        else:
            self.set_access(route.id, Access(owner_hash=owner_hash))

    def expire(self) -> None:
        """End what was detached for too long, forget what ended long ago, and end shares whose time has come."""
        for _ in self.expire_in_steps():
            pass

    def expire_in_steps(self) -> Iterator[None]:
        """Do the same, and yield after each step: all that there is takes too long for one."""
        monotonic = self.clock.monotonic()
        for by_time in (self._detached, self._ended):
            while by_time and _expires(self._by_id[next(iter(by_time))]) <= monotonic:
                self.change(next(iter(by_time)), Cause.EXPIRED)
                yield
        now = self.clock.wall()
        for route_id in [route.id for route in self._by_id.values() if route.access.shares]:
            route = self._by_id.get(route_id)
            if route and (over := [share.id for share in route.access.shares if share.is_over(now)]):
                self.set_access(route.id, route.access.without(over))
            yield

    def restore(self, snapshot: Snapshot) -> None:
        """Expect the sessions of an earlier server back, whose links were lost when it left the snapshot.

        One whose name is in use already is left out.
        """
        expires = self.clock.monotonic() + self._limits.detached_timeout
        for route in snapshot.routes:
            if not self._holders(route) and route.id not in self._by_id:
                state = Detached(since=snapshot.since, expires=expires)
                expected = attrs.evolve(route, state=state, relay_path=None, is_borrowed=False)
                self._put(expected)
                self._publish(RouteUp(route=expected))

    def _put(self, route: Route) -> None:
        self._by_id[route.id] = route
        self._by_host |= dict.fromkeys(route.hosts, route)
        if route.is_detached:
            self._detached[route.id] = None
        elif route.has_ended:
            self._ended[route.id] = None
            self._ended_of_user.setdefault(route.user, {})[route.id] = None

    def _remove(self, route: Route) -> None:
        del self._by_id[route.id]
        for host in route.hosts:
            del self._by_host[host]
        self._detached.pop(route.id, None)
        if route.has_ended:
            del self._ended[route.id]
            own = self._ended_of_user[route.user]
            del own[route.id]
            if not own:
                del self._ended_of_user[route.user]

    def _bound_tombstones(self, user: str | None) -> None:
        """Forget the oldest tombstones where there are too many; one user's do not push out those of others.

        The shares that they have are bounded with them: each is as large as a few tombstones.
        """
        limits, own = self._limits, self._ended_of_user[user]
        shares = sum(len(self._by_id[route_id].access.shares) for route_id in own)
        while len(own) > limits.max_user_tombstones or (shares > limits.max_user_shares and len(own) > 1):
            oldest = self._by_id[next(iter(own))]
            shares -= len(oldest.access.shares)
            self.change(oldest.id, Cause.EXPIRED)
        if len(self._ended) > limits.max_tombstones:
            self.change(next(iter(self._ended)), Cause.EXPIRED)

    def _publish(self, change: RouteChange) -> None:
        for subscriber in self._subscribers:
            subscriber(change)


def _expires(route: Route) -> float:
    assert isinstance(route.state, Detached | Ended)
    return route.state.expires
