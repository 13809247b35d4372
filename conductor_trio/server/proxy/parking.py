"""Requests that wait for a session whose link was lost, bounded in time, number and bytes."""

from __future__ import annotations

import trio

from conductor_trio.limits import ServerLimits
from conductor_trio.server.routing.routes import DetachedRoute


class ParkedRequests:
    """All requests that wait; what each keeps in memory is its head and what came with it."""

    def __init__(self, limits: ServerLimits) -> None:
        self._limits = limits
        self._bytes = 0
        self.total = 0

    async def wait(self, lost: DetachedRoute, size: int) -> bool:
        """Wait until the name is settled; False where that takes too long, or there is no room to wait.

        `size` is in bytes.
        """
        limits = self._limits
        if (
            lost.parked >= limits.max_route_parked
            or self.total >= limits.max_parked
            or self._bytes + size > limits.max_parked_bytes
        ):
            return False
        lost.parked += 1
        self.total += 1
        self._bytes += size
        try:
            with trio.move_on_after(limits.park_timeout):
                await lost.settled.wait()
            return lost.settled.is_set()
        finally:
            lost.parked -= 1
            self.total -= 1
            self._bytes -= size
