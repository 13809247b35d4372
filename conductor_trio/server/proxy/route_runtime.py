"""What the data plane keeps for a route beside it, from the time that its session is here until that ends."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator
from typing import assert_never

import attrs
import trio

from conductor_trio.access.grants import Access, Principal
from conductor_trio.access.tokens import TokenHash
from conductor_trio.http1.fields import NO_RULES, FieldRules
from conductor_trio.http1.memory import HeadMemory, RouteMemory
from conductor_trio.limits.server import ServerLimits
from conductor_trio.net.poller import EdgePoller
from conductor_trio.server.accounts.gradual import GradualWork
from conductor_trio.server.accounts.holdings import Holdings
from conductor_trio.server.accounts.ledger import Ledger, SessionAccount
from conductor_trio.server.accounts.presence import Presence
from conductor_trio.server.accounts.traffic import Traffic
from conductor_trio.server.leases.leases import Leases
from conductor_trio.server.leases.terms import Kind
from conductor_trio.server.proxy.cancellation import CancelReason, ConnectionScope
from conductor_trio.server.proxy.upstream import PoolExpiry, UpstreamPool
from conductor_trio.server.routing.feed import RouteChange, RouteChanged, RouteDown, RouteUp
from conductor_trio.server.routing.routes import Route
from conductor_trio.server.routing.ruling import Load
from conductor_trio.server.routing.states import Cause
from conductor_trio.server.routing.table import RouteTable


@attrs.define(eq=False)
class OwnerRuntime:
    """What the sessions of one user share."""

    user: str
    max_connections: int
    sessions: int = 0
    under_way: int = 0  #: exchanges and tunnels


@attrs.define(eq=False)
class RouteRuntime:
    """The way to one session's application, and the exchanges and tunnels that run for it.

    Those are registered here by the scopes of their connections, so that the session takes down its own.
    """

    route_id: str
    owner: OwnerRuntime
    pool: UpstreamPool
    account: SessionAccount
    heads: RouteMemory
    max_connections: int
    _gradual: GradualWork
    failing_since: float | None = None  #: Unix time, while the application does not answer
    ended_as: CancelReason | None = None  #: how its session ended, once that has
    #: The route of a predecessor's session, whose client has another one here by now; its connections go on.
    lent_as: Route | None = None
    traffic: Traffic = attrs.field(init=False)  #: the account's
    _connections: dict[ConnectionScope, str] = attrs.field(init=False)  # the account's
    _presence: Presence = attrs.field(init=False)  # the account's
    _unused: trio.Event | None = attrs.field(default=None, init=False)  # somebody waits for it

    def __attrs_post_init__(self) -> None:
        self.traffic = self.account.traffic
        self._connections = self.account.connections
        self._presence = self.account.presence

    @property
    def load(self) -> Load:
        """How much of what the application may have at once it has."""
        if len(self._connections) >= self.max_connections or self.owner.under_way >= self.owner.max_connections:
            return Load.FULL
        return Load.NORMAL

    @property
    def under_way(self) -> int:
        """How many exchanges and tunnels run here."""
        return len(self._connections)

    def enter(self, connection: ConnectionScope, principal: Principal) -> None:
        """Have a connection cancelled when the session ends, at once where it has, or the principal's access."""
        self._connections[connection] = principal
        self.owner.under_way += 1
        self._note_visitor(connection, principal)
        if self.ended_as is not None:
            connection.cancel(self.ended_as)

    def _note_visitor(self, connection: ConnectionScope, principal: Principal) -> None:
        """Have it known who is there: on one connection it is the same one most of the time."""
        visitor = connection.visitor
        if (
            visitor is None
            or visitor.presence is not self._presence
            or visitor.principal != principal
            or visitor.identity != connection.identity
            or visitor.address != connection.address
        ):
            visitor = self._presence.find(principal, connection.identity, connection.address)
            connection.visitor = visitor
        visitor.under_way += 1

    def leave(self, connection: ConnectionScope) -> None:
        """Leave a connection alone from now on."""
        if self._connections.pop(connection, None) is not None:
            self.owner.under_way -= 1
            if (visitor := connection.visitor) is not None:
                self._presence.leave(visitor)
        if self._unused is not None and not self._connections:
            self._unused.set()
            self._unused = None

    def close(self, reason: CancelReason) -> None:
        """End every exchange and tunnel, close the kept connections, forget heads: the session is over.

        Whatever else is remembered for this route, and may not outlive it, goes here.
        """
        self.ended_as = reason
        self.cancel_all(reason)
        self.pool.close()
        self.heads.close()

    def cancel_all(self, reason: CancelReason) -> None:
        """End every exchange and tunnel, a few in each turn of the event loop."""
        self._gradual.begin(self._cancel_all(reason), self.account)

    def _cancel_all(self, reason: CancelReason) -> Iterator[None]:
        for connection in list(self._connections):
            if connection in self._connections:
                connection.cancel(reason)
                yield

    def connections(self) -> Iterable[ConnectionScope]:
        """Return the connections of all exchanges and tunnels."""
        return self._connections.keys()

    def end_access(self, access: Access, owner_hash: TokenHash) -> None:
        """Cancel every exchange and tunnel of those whom `access` does not let in any more."""
        # Of thousands of connections most have one and the same.
        admitted = {
            principal: access.admits(Principal(principal), owner_hash)
            for principal in set(self._connections.values())
        }
        if not all(admitted.values()):
            self._gradual.begin(self._cancel_excluded(admitted))

    def _cancel_excluded(self, admitted: dict[str, bool]) -> Iterator[None]:
        for connection, principal in list(self._connections.items()):
            if not admitted[principal] and self._connections.get(connection) == principal:
                connection.cancel(CancelReason.ACCESS_ENDED)
                yield

    async def wait_unused(self) -> None:
        """Return once no exchange or tunnel runs."""
        while self._connections:
            if self._unused is None:
                self._unused = trio.Event()
            await self._unused.wait()


@attrs.frozen(kw_only=True, eq=False)
class _Onlooker:
    """One who looks at a session's page, and who let them in."""

    principal: Principal
    owner_hash: TokenHash


class Onlookers:
    """Those who look at the pages of sessions, by host name: a page stays when its session's link is lost."""

    def __init__(self, gradual: GradualWork) -> None:
        self._gradual = gradual
        self._by_host: dict[str, dict[ConnectionScope, _Onlooker]] = {}

    def enter(self, connection: ConnectionScope, route: Route, principal: Principal) -> None:
        """Have a connection cancelled when the host name's session lets the principal in no longer."""
        onlooker = _Onlooker(principal=principal, owner_hash=route.access.owner_hash)
        self._by_host.setdefault(route.hosts[0], {})[connection] = onlooker

    def leave(self, connection: ConnectionScope, route: Route) -> None:
        """Leave a connection alone from now on."""
        if (onlookers := self._by_host.get(route.hosts[0])) is not None:
            onlookers.pop(connection, None)
            if not onlookers:
                del self._by_host[route.hosts[0]]

    def connections(self) -> Iterator[ConnectionScope]:
        """Yield the connections of all of them."""
        for onlookers in self._by_host.values():
            yield from onlookers

    def end_access(self, route: Route) -> None:
        """Cancel the connections of those whom the route does not let in any more."""
        if any(host in self._by_host for host in route.hosts):
            self._gradual.begin(self._cancel_excluded(route))

    def _cancel_excluded(self, route: Route) -> Iterator[None]:
        for host in route.hosts:
            for connection, onlooker in list(self._by_host.get(host, {}).items()):
                if not route.access.admits(onlooker.principal, onlooker.owner_hash):
                    connection.cancel(CancelReason.ACCESS_ENDED)
                    yield


class RouteRuntimes:
    """The runtimes of all sessions that are here, by the route's id; kept so by what the route table publishes."""

    def __init__(
        self,
        routes: RouteTable,
        ledger: Ledger,
        holdings: Holdings,
        limits: ServerLimits,
        poller: EdgePoller,
        gradual: GradualWork,
        rules: FieldRules = NO_RULES,
    ) -> None:
        self._ledger = ledger
        self._gradual = gradual
        self._holdings = holdings
        self._limits = limits
        self._poller = poller
        self._leases: Leases | None = None
        self._by_id: dict[str, RouteRuntime] = {}
        self._owners: dict[str, OwnerRuntime] = {}
        self._lent: dict[str, RouteRuntime] = {}  # by host name; see `RouteRuntime.lent_as`
        self.pool_expiry = PoolExpiry(limits)
        self.onlookers = Onlookers(gradual)
        self.heads = HeadMemory(secrets.token_bytes(32), limits, rules)
        for route in routes.attached():
            self._open(route)
        routes.subscribe(self.hear)

    def __len__(self) -> int:
        return len(self._by_id)

    def __iter__(self) -> Iterator[RouteRuntime]:
        return iter(self._by_id.values())

    def share(self, leases: Leases) -> None:
        """Have the limits hold for this process and others together; before there is a route."""
        self._leases = leases
        leases.hold_connections(Kind.ROUTE, self._by_id.get)
        leases.hold_connections(Kind.USER, self._owners.get)

    def _part(self, kind: Kind, name: str, whole: int) -> int:
        return whole if self._leases is None else self._leases.part(kind, name)

    def get(self, route_id: str) -> RouteRuntime | None:
        """Return a route's runtime, None where its session is not here."""
        return self._by_id.get(route_id)

    def hear(self, change: RouteChange) -> None:
        """Open, change or close a route's runtime, as the change of the route says."""
        match change:
            case RouteUp(route=route):
                if route.is_attached:
                    self._open(route)
                self._end_lent_access(route)
                self.onlookers.end_access(route)
            case RouteChanged(route=route, before=before):
                if route.was_cut:
                    self._end_all(route, CancelReason.ACCESS_ENDED)
                elif not route.is_attached:
                    # That of a client which cannot come back, and so not leave, may as well be lost.
                    has_left = route.has_ended and route.is_resumable
                    self._end_all(route, CancelReason.SESSION_ENDED if has_left else CancelReason.LINK_LOST)
                elif route.access != before.access and (runtime := self._by_id.get(route.id)) is not None:
                    runtime.end_access(route.access, before.access.owner_hash)
                self._end_lent_access(route)
                self.onlookers.end_access(route)
            case RouteDown(route=route, cause=cause):
                # What runs over a relay socket that a predecessor lends may go on until that one has ended.
                if route.is_borrowed and cause is Cause.REPLACED:
                    self._keep_lent(route)
                else:
                    self._end_all(route, CancelReason.LINK_LOST)
            case _:
                assert_never(change)

    def _open(self, route: Route) -> None:
        assert route.relay_path is not None, "a session that is here leads somewhere"
        user = route.user or route.id  # whose it is, as far as that is known
        self._by_id[route.id] = RouteRuntime(
            route_id=route.id,
            owner=self._open_owner(user),
            pool=UpstreamPool(
                route.relay_path, self._limits, self.pool_expiry, self._poller, self._holdings, ("user", user)
            ),
            account=self._ledger.session(route.id, route.user),
            heads=self.heads.open_route(user),
            max_connections=self._part(Kind.ROUTE, route.id, self._limits.max_route_connections),
            gradual=self._gradual,
        )

    def _open_owner(self, user: str) -> OwnerRuntime:
        owner = self._owners.get(user)
        if owner is None:
            most = self._part(Kind.USER, user, self._limits.max_user_connections)
            owner = self._owners[user] = OwnerRuntime(user, most)
        owner.sessions += 1
        return owner

    def _keep_lent(self, route: Route) -> None:
        if (runtime := self._by_id.get(route.id)) is not None:
            runtime.lent_as = route
            self._lent |= dict.fromkeys(route.hosts, runtime)

    def _end_lent_access(self, route: Route) -> None:
        for host in route.hosts:
            if (runtime := self._lent.get(host)) is not None and runtime.lent_as is not None:
                runtime.end_access(route.access, runtime.lent_as.access.owner_hash)

    def _end_all(self, route: Route, reason: CancelReason) -> None:
        """End what runs for a route, over a predecessor's relay socket as well."""
        self.end(route.id, reason)
        for host in route.hosts:
            if (runtime := self._lent.get(host)) is not None:
                self.end(runtime.route_id, reason)

    def end(self, route_id: str, reason: CancelReason) -> None:
        """End what runs for a route and forget it, if there is anything."""
        if (runtime := self._by_id.pop(route_id, None)) is not None:
            for host in runtime.lent_as.hosts if runtime.lent_as is not None else ():
                self._lent.pop(host, None)
            runtime.close(reason)
            runtime.owner.sessions -= 1
            if not runtime.owner.sessions:
                del self._owners[runtime.owner.user]
            self._ledger.close_session(route_id)

    async def finish(self) -> None:
        """End all exchanges and tunnels, since the server ends; return once they have passed on what has come."""
        for runtime in self:
            runtime.cancel_all(CancelReason.SERVER_ENDS)
        for runtime in list(self):
            await runtime.wait_unused()

    async def wait_unused(self, route_id: str) -> None:
        """Return once no exchange or tunnel runs for a route."""
        if (runtime := self._by_id.get(route_id)) is not None:
            await runtime.wait_unused()
