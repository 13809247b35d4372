"""Routes and route tables for tests: values that are right unless a test says otherwise."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable

import trio

from conductor_trio.access.grants import Access, Share
from conductor_trio.access.tokens import hash_token
from conductor_trio.limits.server import ServerLimits
from conductor_trio.server.routing.routes import Route
from conductor_trio.server.routing.states import Live, SessionState
from conductor_trio.server.routing.table import Clock, RouteTable

_ids = map("route-{}".format, itertools.count())


def make_route(
    *,
    host: str = "app-alice.test",
    user: str | None = "alice",
    key: str = "app",
    token: bytes = b"t",
    shares: tuple[Share, ...] = (),
    state: SessionState | None = None,
    relay_path: str | None = "/nowhere/socket",
    is_resumable: bool = False,
) -> Route:
    """Return a route of its own id."""
    return Route(
        id=next(_ids),
        user=user,
        key=key,
        hosts=(host,),
        access=Access(owner_hash=hash_token(token), shares=shares),
        state=Live(since=time.time()) if state is None else state,
        relay_path=relay_path,
        is_resumable=is_resumable,
    )


def make_table(limits: ServerLimits, monotonic: Callable[[], float] = trio.current_time) -> RouteTable:
    """Return a table without routes, by trio's clock unless another is given."""
    return RouteTable(limits, Clock(monotonic=monotonic, wall=time.time))
