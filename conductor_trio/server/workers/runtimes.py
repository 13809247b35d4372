"""What is kept for routes at all processes of a server, as if it were one."""

from __future__ import annotations

from typing import Protocol

import attrs

from conductor_trio.server.proxy.cancellation import CancelReason


class Runtimes(Protocol):
    """What this process keeps for routes."""

    async def wait_unused(self, route_id: str) -> None:
        """Return once no exchange or tunnel runs for a route."""

    def end(self, route_id: str, reason: CancelReason) -> None:
        """End what runs for a route."""


class Elsewhere(Protocol):
    """What other processes keep."""

    async def wait_unused(self, route_id: str) -> None:
        """Return once no exchange or tunnel runs for a route, at any of them."""

    def end_route(self, route_id: str) -> None:
        """Have them end what runs for a route."""


@attrs.frozen(eq=False)
class EveryRuntime:
    """The same at all processes; implements `lifecycle.borrowed.Runtimes`."""

    own: Runtimes
    workers: Elsewhere

    async def wait_unused(self, route_id: str) -> None:
        """Return once no exchange or tunnel runs for a route, at any of them."""
        await self.own.wait_unused(route_id)
        await self.workers.wait_unused(route_id)

    def end(self, route_id: str, reason: CancelReason) -> None:
        """End what runs for a route."""
        self.own.end(route_id, reason)
        self.workers.end_route(route_id)
