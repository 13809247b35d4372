"""Borrowed sessions: those that the predecessor still has, and visitors reach here, too, until their clients have
registered here."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

import attrs
import trio

from conductor_trio.control.messages import Takeover
from conductor_trio.server.proxy.cancellation import CancelReason
from conductor_trio.server.routing.feed import RouteChange, RouteDown
from conductor_trio.server.routing.routes import Route
from conductor_trio.server.routing.states import Cause
from conductor_trio.server.routing.table import RouteTable


def is_exportable(route: Route) -> bool:
    """Whether a successor can use a session while we have it; one that is lent to us is not ours to lend."""
    return route.is_live and route.relay_path is not None and not route.is_borrowed


class Runtimes(Protocol):
    """What the data plane keeps for routes, at whichever process."""

    async def wait_unused(self, route_id: str) -> None:
        """Return once no exchange or tunnel runs for a route."""

    def end(self, route_id: str, reason: CancelReason) -> None:
        """End what runs for a route."""


@attrs.define(eq=False)
class _Borrowed:
    """One such session, and whether its client has registered here, or another session has taken its name."""

    route: Route
    moved: trio.Event = attrs.field(factory=trio.Event)


class BorrowedSessions:
    """All such sessions, in the route table from the beginning, until `end`."""

    def __init__(self, lent: Iterable[Route], routes: RouteTable, runtimes: Runtimes) -> None:
        self._routes = routes
        self._runtimes = runtimes
        self._borrowed: dict[str, _Borrowed] = {}
        self._ended = trio.Event()
        routes.subscribe(self._follow)
        for route in lent:
            borrowed = routes.register(attrs.evolve(route, is_borrowed=True), Takeover.NEVER)
            self._borrowed[borrowed.id] = _Borrowed(borrowed)
        if not self._borrowed:
            self._ended.set()

    def _follow(self, change: RouteChange) -> None:
        if isinstance(change, RouteDown) and (borrowed := self._borrowed.get(change.route.id)):
            borrowed.moved.set()

    def __len__(self) -> int:
        """Return how many are used, or may be."""
        return len(self._borrowed)

    async def wait_ended(self) -> None:
        """Return once none is used any more."""
        await self._ended.wait()

    async def wait_moved(self) -> None:
        """Return once every client that was asked to has registered here, and nothing runs over there for it."""
        for borrowed in self._borrowed.values():
            if borrowed.route.is_resumable:
                await borrowed.moved.wait()
        for route_id, borrowed in list(self._borrowed.items()):
            if borrowed.moved.is_set():
                await self._runtimes.wait_unused(route_id)

    def end(self) -> None:
        """Use none of them any more: the predecessor ends. Those whose clients are not here yet are expected."""
        for route_id, borrowed in self._borrowed.items():
            if not borrowed.moved.is_set():
                self._routes.change(route_id, Cause.LINK_LOST)
            self._runtimes.end(route_id, CancelReason.LINK_LOST)
        self._borrowed.clear()
        self._ended.set()
