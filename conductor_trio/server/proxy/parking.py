"""Requests that are parked until the link of their session is back, bounded in time, number and bytes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

import attrs
import trio

from conductor_trio.limits.constants import MAX_CANCELLED_AT_ONCE, TURN_SPACING
from conductor_trio.limits.server import ServerLimits
from conductor_trio.server.accounts.gradual import GradualWork
from conductor_trio.server.routing.feed import RouteChange, RouteChanged, RouteDown, RouteUp
from conductor_trio.server.routing.routes import Route


@attrs.define(eq=False)
class _Settlement:
    """What the requests for one detached session wait for."""

    is_settled: bool = False  # its state is another, or it is gone
    waiting: dict[trio.Event, None] = attrs.field(factory=dict)  # one for each request, in their order

    def wake(self) -> Iterator[None]:
        """Have each go on, the first first."""
        for event in list(self.waiting):
            event.set()
            yield


class ParkedRequests:
    """All requests that wait; what each keeps in memory is its head and what came with it.

    `on_parked` is called after each that begins to wait.
    """

    def __init__(self, limits: ServerLimits, on_parked: Callable[[], None], gradual: GradualWork) -> None:
        self._limits = limits
        self._gradual = gradual
        self._on_parked = on_parked
        self._by_route: dict[str, _Settlement] = {}
        self._by_user: Counter[str] = Counter()
        self._bytes = 0
        self._empty: trio.Event | None = None  # somebody waits for it
        self.total = 0

    def hear(self, change: RouteChange) -> None:
        """Wake those that wait for a route which is another now, or gone; to be subscribed to the route table."""
        match change:
            case RouteUp():
                return
            case RouteChanged(route=route) if route.is_detached:
                return  # only who gets in is another
            case RouteChanged(route=route) | RouteDown(route=route):
                self._settle(route.id)

    def _settle(self, route_id: str) -> None:
        if (settlement := self._by_route.pop(route_id, None)) is not None:
            settlement.is_settled = True
            self._gradual.begin(settlement.wake())

    def settle_all(self) -> None:
        """Wake all."""
        for route_id in list(self._by_route):
            self._settle(route_id)

    async def wait(self, route: Route, size: int) -> bool:
        """Wait until a detached route is settled; False where that takes too long, or there is no room to wait.

        `size` is in bytes.
        """
        return await self.wait_for(route.id, route.user or route.id, size)

    async def wait_for(self, route_id: str, user: str, size: int) -> bool:
        """Wait as for that route of that user: both count for how many may wait."""
        limits = self._limits
        settlement = self._by_route.setdefault(route_id, _Settlement())
        if (
            len(settlement.waiting) >= limits.max_route_parked
            or self._by_user[user] >= limits.max_user_parked
            or self.total >= limits.max_parked
            or self._bytes + size > limits.max_parked_bytes
        ):
            self._forget_unused(route_id)
            return False
        settled = trio.Event()
        settlement.waiting[settled] = None
        later = self.total // MAX_CANCELLED_AT_ONCE * TURN_SPACING  # not all in one turn
        self._by_user[user] += 1
        self.total += 1
        self._bytes += size
        try:
            self._on_parked()
            with trio.move_on_after(limits.park_timeout + later):
                await settled.wait()
            return settlement.is_settled
        finally:
            del settlement.waiting[settled]
            self._by_user[user] -= 1
            if not self._by_user[user]:
                del self._by_user[user]
            self.total -= 1
            self._bytes -= size
            self._forget_unused(route_id)
            if self._empty is not None and not self.total:
                self._empty.set()
                self._empty = None

    def _forget_unused(self, route_id: str) -> None:
        settlement = self._by_route.get(route_id)
        if settlement is not None and not settlement.waiting:
            del self._by_route[route_id]

    @property
    def size(self) -> int:
        """How many bytes are kept in memory."""
        return self._bytes

    async def wait_empty(self) -> None:
        """Return once no request is parked."""
        while self.total:
            if self._empty is None:
                self._empty = trio.Event()
            await self._empty.wait()
