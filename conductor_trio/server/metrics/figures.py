"""Figures: the numbers of this moment, read from both planes without a look at each session."""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Mapping

import attrs

from conductor_trio.interpreter import resident_memory
from conductor_trio.log import lost_lines
from conductor_trio.server.accounts.counters import Counters
from conductor_trio.server.accounts.loop_delay import LoopDelay
from conductor_trio.server.lifecycle.tls import read_expiry
from conductor_trio.server.observability.measures import Measures
from conductor_trio.server.proxy.context import ProxyContext
from conductor_trio.server.settings import ServerSettings

_STATES = ("starting", "live", "lost", "ended")


@attrs.frozen(kw_only=True)
class Figures:
    """What is told, with the measures that the planes keep; times in seconds, sizes in bytes."""

    measures: Measures
    sessions: Mapping[str, int]  #: by state
    visitors: int
    requests: int  #: under way
    tunnels: int
    parked: int
    requests_total: int
    to_visitors: int
    to_applications: int
    registrations_refused: int
    limited: int
    internal_errors: int
    throttled: float
    loop_delay: LoopDelay
    memory: Mapping[str, int]  #: by purpose
    certificate_end: float | None  #: Unix time
    lost_lines: Mapping[str, int]  #: by log
    processor_time: float
    resident: int
    open_files: int | None
    max_open_files: float
    started: float  #: Unix time


class _Nobody:
    """No other processes."""

    def count(self, _: str) -> int:
        return 0

    def now(self, _: str) -> int:
        return 0

    def counters(self, own: Counters) -> Counters:
        return own

    def measures(self, own: Measures) -> Measures:
        return own


class FigureSource:
    """Reads them."""

    def __init__(self, settings: ServerSettings, proxy: ProxyContext) -> None:
        self._proxy = proxy
        self._started = time.time()
        # It is loaded once, and another one by the next server.
        self._certificate_end = None if settings.tls is None else read_expiry(settings.tls, None)

    def read(self) -> Figures:
        """Return the numbers of this moment."""
        proxy, observer = self._proxy, self._proxy.observer
        counters, measures, traffic = proxy.counters, observer.measures, proxy.ledger.traffic
        others = proxy.others or _Nobody()
        counters, measures = others.counters(counters), others.measures(measures)
        usage = resource.getrusage(resource.RUSAGE_SELF)
        return Figures(
            measures=measures,
            sessions={state: measures.sessions[state] for state in _STATES},
            visitors=proxy.visitors + others.now("visitors"),
            requests=proxy.activity.exchanges + others.now("exchanges"),
            tunnels=proxy.activity.tunnels + others.now("tunnels"),
            parked=proxy.parked.total,
            requests_total=counters.requests_total,
            to_visitors=traffic.to_visitors + others.count("to_visitors"),
            to_applications=traffic.to_application + others.count("to_application"),
            registrations_refused=counters.refused,
            limited=counters.limited,
            internal_errors=counters.internal_errors,
            throttled=proxy.ledger.fairness.throttled,
            loop_delay=proxy.ledger.fairness.delay,
            memory={
                "held": proxy.holdings.total + others.now("held"),
                "parked": proxy.parked.size,
                "log_lines": sum(sink.queued for sink in observer.sinks.values()),
            },
            certificate_end=self._certificate_end,
            lost_lines={"server": lost_lines(), **{name: sink.lost for name, sink in observer.sinks.items()}},
            processor_time=usage.ru_utime + usage.ru_stime,
            resident=resident_memory(),
            open_files=_count_open_files(),
            max_open_files=resource.getrlimit(resource.RLIMIT_NOFILE)[0],
            started=self._started,
        )


def _count_open_files() -> int | None:
    """Return how many descriptors there are, where the kernel (6.2 or later) tells that without listing them."""
    return os.stat("/proc/self/fd").st_size or None
