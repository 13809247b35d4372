"""The metrics of one server, wired together where they are asked for."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from conductor_trio.server.metrics.endpoint import MetricsEndpoint, open_metrics_listeners
from conductor_trio.server.metrics.figures import FigureSource
from conductor_trio.server.proxy.context import ProxyContext
from conductor_trio.server.settings import ServerSettings


@contextlib.contextmanager
def open_metrics(settings: ServerSettings, proxy: ProxyContext, *, takes_over: bool) -> Iterator[MetricsEndpoint]:
    """Listen where the settings say, if they do; raises `StartError`."""
    account = proxy.ledger.collectors
    if settings.metrics is None:
        yield MetricsEndpoint(render=lambda: iter(()), listeners=(), log=proxy.log, account=account)
        return
    # Only now: it takes a tenth of a second.
    from conductor_trio.server.metrics.families import render_families

    figures = FigureSource(settings, proxy)
    with open_metrics_listeners(settings.metrics, takes_over=takes_over) as listeners:
        yield MetricsEndpoint(
            render=lambda: render_families(figures.read()), listeners=listeners, log=proxy.log, account=account
        )
