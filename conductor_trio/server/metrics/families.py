"""Metric families, made of the figures with prometheus-client; each as text, one after the other.

Every label has a few values, all of them ours.
"""

from __future__ import annotations

import platform
from collections.abc import Iterable, Iterator, Mapping, Sequence

import attrs
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.exposition import generate_latest

from conductor_trio import __version__
from conductor_trio.limits.constants import LOOP_DELAY_BOUNDS
from conductor_trio.server.metrics.figures import Figures
from conductor_trio.server.observability.histogram import Histogram, merged
from conductor_trio.server.observability.session_watch import EVENTS

#: Of the first digit of a status.
_CLASSES = ("none", "1xx", "2xx", "3xx", "4xx", "5xx", "other", "other", "other", "other")


@attrs.frozen
class _Registry:
    """What prometheus-client takes for a registry: one family."""

    family: Metric

    def collect(self) -> Iterable[Metric]:
        """Return the family."""
        return [self.family]


def render_families(figures: Figures) -> Iterator[bytes]:
    """Yield the text of each family; between two of them others may have their turn."""
    for family in _make_families(figures):
        yield generate_latest(_Registry(family))


def _make_families(figures: Figures) -> Iterator[Metric]:
    yield _info()
    yield from _session_families(figures)
    yield from _request_families(figures)
    yield from _time_families(figures)
    yield from _server_families(figures)
    yield from _process_families(figures)


def _info() -> Metric:
    values = {
        "version": __version__,
        "implementation": platform.python_implementation(),
        "python": platform.python_version(),
    }
    return InfoMetricFamily("conductor_build", "The server and the Python that runs it.", value=values)


def _session_families(figures: Figures) -> Iterator[Metric]:
    events = {event: figures.measures.session_events[event] for event in EVENTS}
    yield _labelled(GaugeMetricFamily, "conductor_sessions", "Sessions by state.", "state", figures.sessions)
    yield _labelled(
        CounterMetricFamily,
        "conductor_session_events",
        "What has happened to sessions; `back` are reconnects, `moved` those that came from another server.",
        "event",
        events,
    )
    yield _histogram(
        "conductor_session_ready_seconds",
        "From a client's connection until visitors get to its application.",
        {"": figures.measures.ready},
    )
    yield _counter("conductor_registrations_refused", "Clients that were refused.", figures.registrations_refused)


def _request_families(figures: Figures) -> Iterator[Metric]:
    measures = figures.measures
    yield _gauge("conductor_visitors", "Connections of visitors.", figures.visitors)
    yield _gauge("conductor_requests_active", "Requests under way, parked ones among them.", figures.requests)
    yield _gauge("conductor_tunnels", "Connections that have become a tunnel (WebSocket).", figures.tunnels)
    yield _gauge("conductor_requests_parked", "Requests that wait for a lost link.", figures.parked)
    yield _counter("conductor_requests_received", "Requests that have come.", figures.requests_total)
    yield _counter("conductor_requests_waited", "Requests that have waited for a lost link.", measures.parked)
    finished = CounterMetricFamily(
        "conductor_requests",
        "Requests that are over, by whose answer it was; status `none`: the visitor went before there was one.",
        labels=["by", "status"],
    )
    for by, histograms in (("application", measures.by_application), ("gateway", measures.by_gateway)):
        counts: dict[str, int] = {}
        for status, one in zip(_CLASSES, histograms, strict=True):
            counts[status] = counts.get(status, 0) + one.count
        for status, count in counts.items():
            finished.add_metric([by, status], count)
    yield finished
    yield _counter("conductor_upgrades", "Requests whose connection changed its protocol.", measures.upgrades)
    yield _labelled(
        CounterMetricFamily,
        "conductor_refusals",
        "Visitors who got an answer of the gateway's in the application's place, by reason.",
        "reason",
        measures.refusals,
    )
    yield _counter(
        "conductor_limited", "Requests and visitors refused since there were too many.", figures.limited
    )
    yield _counter("conductor_wrong_tokens", "Wrong tokens that were compared.", measures.wrong_tokens)
    yield _labelled(
        CounterMetricFamily,
        "conductor_bytes",
        "Bytes that were passed on.",
        "to",
        {"visitors": figures.to_visitors, "applications": figures.to_applications},
    )


def _time_families(figures: Figures) -> Iterator[Metric]:
    measures = figures.measures
    at_once = Histogram(measures.queue.bounds)
    at_once.counts[0] = measures.direct.count
    yield _histogram(
        "conductor_request_duration_seconds",
        "From the end of a request's head to the end of the answer, by whose answer it was.",
        {"application": merged(*measures.by_application), "gateway": merged(*measures.by_gateway)},
        label="by",
    )
    yield _histogram(
        "conductor_time_to_first_byte_seconds",
        "From the end of a request's head until the application's response begins.",
        {"": merged(measures.direct, measures.first_byte)},
    )
    yield _histogram(
        "conductor_hop_duration_seconds",
        "The same by hop: `queue` until it is its turn, `connect` to the relay socket where no connection was "
        "kept, `application` from then on.",
        {
            "queue": merged(measures.queue, at_once),
            "connect": measures.connect,
            "application": merged(measures.application, measures.direct),
        },
        label="hop",
    )


def _server_families(figures: Figures) -> Iterator[Metric]:
    delay = Histogram(LOOP_DELAY_BOUNDS)
    longer = [figures.loop_delay.longer_than[bound] for bound in LOOP_DELAY_BOUNDS]
    delay.counts = [0, *(more - less for more, less in zip(longer, [*longer[1:], 0], strict=True))]
    delay.sum = figures.loop_delay.sum
    yield _histogram(
        "conductor_loop_delay_seconds",
        f"Turns of the event loop that took longer than {LOOP_DELAY_BOUNDS[0]} s, in which all others wait.",
        {"": delay},
    )
    yield _gauge(
        "conductor_loop_delay_peak_seconds",
        "The longest of them within the last one or two minutes.",
        figures.loop_delay.longest,
    )
    yield _counter(
        "conductor_throttled_seconds", "Time that those have waited who were over their share.", figures.throttled
    )
    yield _counter(
        "conductor_internal_errors", "Connections that have ended by a fault here.", figures.internal_errors
    )
    yield _labelled(
        GaugeMetricFamily,
        "conductor_memory_bytes",
        "What is kept in memory, by purpose.",
        "purpose",
        figures.memory,
    )
    yield _labelled(
        CounterMetricFamily,
        "conductor_log_lines_lost",
        "Lines that nobody took in time, by log.",
        "log",
        figures.lost_lines,
    )
    if figures.certificate_end is not None:
        yield _gauge(
            "conductor_certificate_expiry_timestamp_seconds", "When the certificate ends.", figures.certificate_end
        )


def _process_families(figures: Figures) -> Iterator[Metric]:
    yield _counter("process_cpu_seconds", "User and system time.", figures.processor_time)
    yield _gauge("process_resident_memory_bytes", "Resident memory.", figures.resident)
    yield _gauge("process_start_time_seconds", "When the server started.", figures.started)
    yield _gauge("process_max_fds", "The most descriptors that there may be.", figures.max_open_files)
    if figures.open_files is not None:
        yield _gauge("process_open_fds", "Descriptors that there are.", figures.open_files)


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value=value)


def _counter(name: str, text: str, value: float) -> Metric:
    return CounterMetricFamily(name, text, value=value)


def _labelled(
    kind: type[GaugeMetricFamily] | type[CounterMetricFamily],
    name: str,
    text: str,
    label: str,
    values: Mapping[str, float],
) -> Metric:
    family = kind(name, text, labels=[label])
    for value, number in values.items():
        family.add_metric([value], number)
    return family


def _histogram(name: str, text: str, histograms: Mapping[str, Histogram], *, label: str | None = None) -> Metric:
    family = HistogramMetricFamily(name, text, labels=None if label is None else [label])
    for value, one in histograms.items():
        bounds: Sequence[str] = [*(str(bound) for bound in one.bounds), "+Inf"]
        buckets = list(zip(bounds, one.cumulative(), strict=True))
        family.add_metric([] if label is None else [value], buckets=buckets, sum_value=one.sum)
    return family
