"""The feed of the route table: what it publishes of every change, as values.

The data plane hears of routes by this alone, and the control plane of names that were taken from a session.
"""

from __future__ import annotations

from collections.abc import Callable

import attrs

from conductor_trio.server.routing.routes import Route
from conductor_trio.server.routing.states import Cause


@attrs.frozen(kw_only=True)
class RouteUp:
    """The route is new."""

    route: Route


@attrs.frozen(kw_only=True)
class RouteChanged:
    """The route is another than `before`: its state, or who gets in."""

    route: Route
    before: Route


@attrs.frozen(kw_only=True)
class RouteDown:
    """The route is gone; `route` is what it was last."""

    route: Route
    cause: Cause


RouteChange = RouteUp | RouteChanged | RouteDown
Subscriber = Callable[[RouteChange], None]
