"""The cut of what visitors of a network have under way when the operator blocks that."""

from __future__ import annotations

from collections.abc import Iterator

from conductor_trio.limits.constants import MAX_TOLD_AT_ONCE
from conductor_trio.server.accounts.gradual import GradualWork
from conductor_trio.server.orders.networks import Networks
from conductor_trio.server.orders.orders import Orders
from conductor_trio.server.proxy.cancellation import CancelReason, ConnectionScope
from conductor_trio.server.proxy.route_runtime import RouteRuntimes


class Banishment:
    """Ends requests, tunnels and looks at pages; who is between two requests hears of it with the next."""

    def __init__(self, orders: Orders, runtimes: RouteRuntimes, gradual: GradualWork) -> None:
        self._orders = orders
        self._runtimes = runtimes
        self._gradual = gradual
        self._networks = orders.networks
        orders.subscribe(self._note_change)

    def _note_change(self) -> None:
        if self._orders.networks is not self._networks:
            self._networks = self._orders.networks
            if self._networks:
                self._gradual.begin(self._cut(self._networks))

    def _cut(self, networks: Networks) -> Iterator[None]:
        """Cancel the connections from there; a step for each of them, and for each few from elsewhere."""
        for number, connection in enumerate(list(self._connections()), start=1):
            if self._networks is not networks:  # and whoever is blocked by now is seen to already
                return
            is_within = connection.address is not None and networks.has(connection.address)
            if is_within:
                connection.cancel(CancelReason.BLOCKED)
            if is_within or not number % MAX_TOLD_AT_ONCE:
                yield

    def _connections(self) -> Iterator[ConnectionScope]:
        for runtime in self._runtimes:
            yield from runtime.connections()
        yield from self._runtimes.onlookers.connections()
