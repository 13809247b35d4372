"""The route table: from a host name, looked up as a whole, to the session that owns it. No I/O."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import attrs
import trio

from conductor_trio.errors import RegistrationRefused
from conductor_trio.server.upstream import UpstreamPool


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
    is_open: bool = True
    _scopes: set[trio.CancelScope] = attrs.field(factory=set, init=False)

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


class RouteTable:
    """All routes by host name."""

    def __init__(self) -> None:
        self._by_host: dict[str, Route] = {}
        self._total = 0

    def find(self, host: str) -> Route | None:
        """Return the route of a host name in lower case, without port and trailing dot."""
        return self._by_host.get(host)

    def __len__(self) -> int:
        return self._total

    @contextlib.contextmanager
    def registered(self, route: Route) -> Iterator[None]:
        """Hold the route in the table; raises `RegistrationRefused` where one of its names is taken.

        On leaving, the names are free and all that ran for the route is cancelled.
        """
        if any(host in self._by_host for host in route.hosts):
            raise RegistrationRefused(
                f"name taken: the key {route.key} is in use by another session of yours; "
                "end that one or choose another key",
            )
        for host in route.hosts:
            self._by_host[host] = route
        self._total += 1
        try:
            yield
        finally:
            for host in route.hosts:
                del self._by_host[host]
            self._total -= 1
            route.close()
