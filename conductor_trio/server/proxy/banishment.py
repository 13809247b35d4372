"""The cut of what visitors of a network have under way when the operator blocks that."""

from __future__ import annotations

from collections.abc import Iterator

import trio

from conductor_trio.limits.constants import MAX_TOLD_AT_ONCE
from conductor_trio.server.orders.orders import Orders
from conductor_trio.server.proxy.cancellation import CancelReason, ConnectionScope
from conductor_trio.server.proxy.route_runtime import RouteRuntimes


class Banishment:
    """Ends requests, tunnels and looks at pages; who is between two requests hears of it with the next."""

    def __init__(self, orders: Orders, runtimes: RouteRuntimes) -> None:
        self._orders = orders
        self._runtimes = runtimes
        self._networks = orders.networks
        self._has_changed = trio.Event()
        orders.subscribe(self._note_change)

    def _note_change(self) -> None:
        if self._orders.networks is not self._networks:
            self._networks = self._orders.networks
            self._has_changed.set()

    async def run(self) -> None:
        """Do so for ever; the server's nursery cancels it."""
        while True:
            await self._has_changed.wait()
            self._has_changed = trio.Event()
            networks = self._networks
            if not networks:
                continue
            for number, connection in enumerate(list(self._connections()), start=1):
                if connection.address is not None and networks.has(connection.address):
                    connection.cancel(CancelReason.BLOCKED)
                if not number % MAX_TOLD_AT_ONCE:
                    await trio.lowlevel.checkpoint()

    def _connections(self) -> Iterator[ConnectionScope]:
        for runtime in self._runtimes:
            yield from runtime.connections()
        yield from self._runtimes.onlookers.connections()
