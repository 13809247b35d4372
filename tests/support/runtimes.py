"""What the data plane keeps for routes, without a data plane: connections that only are there."""

from __future__ import annotations

from collections.abc import Callable

import attrs

from conductor_trio.access.grants import Principal
from conductor_trio.limits.server import ServerLimits
from conductor_trio.net.poller import EdgePoller
from conductor_trio.server.accounts.gradual import GradualWork
from conductor_trio.server.accounts.holdings import Holdings
from conductor_trio.server.accounts.ledger import Ledger
from conductor_trio.server.proxy.cancellation import CancelReason, ConnectionScope
from conductor_trio.server.proxy.route_runtime import RouteRuntime, RouteRuntimes
from conductor_trio.server.routing.routes import Route
from conductor_trio.server.routing.table import RouteTable


def reason_of(connection: ConnectionScope) -> CancelReason | None:
    """Return why a connection was cancelled, None while it was not."""
    return connection.reason if connection.scope.cancel_called else None


@attrs.frozen
class Connection:
    """An exchange or a tunnel that runs for a route until `end`."""

    scope: ConnectionScope
    runtime: RouteRuntime

    @property
    def is_cancelled(self) -> bool:
        """Whether somebody has cancelled it."""
        return self.scope.scope.cancel_called

    def end(self) -> None:
        """End it."""
        self.runtime.leave(self.scope)


Connect = Callable[[Route, Principal], Connection]


def make_runtimes(routes: RouteTable, limits: ServerLimits) -> tuple[RouteRuntimes, Connect]:
    """Return what follows the table, and what begins a connection for one of its routes."""
    runtimes = RouteRuntimes(routes, Ledger(limits), Holdings(limits), limits, EdgePoller(), GradualWork())

    def connect(route: Route, principal: Principal) -> Connection:
        runtime = runtimes.get(route.id)
        assert runtime is not None
        scope = ConnectionScope()
        runtime.enter(scope, principal)
        return Connection(scope, runtime)

    return runtimes, connect
