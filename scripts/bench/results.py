"""Figures of all rounds: medians, ratios, a table, JSON."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence

import attrs

REFERENCE = "ours"
OWN = frozenset({REFERENCE, "pypy"})  # this project's own
SCALES = (10, 100, 1000, 10_000)  # routes, and idle connections
RATES = ("keepalive", "distinct", "close", "tls")  # requests a second


@attrs.frozen(kw_only=True)
class Sample:
    """One figure of one round."""

    measure: str
    peer: str
    value: float


@attrs.frozen(kw_only=True)
class Measure:
    """What a row of the table says."""

    name: str
    title: str
    unit: str
    digits: int = 0
    more_is_better: bool = False
    compared: bool = True
    of: str = ""  # the title of the row above that it belongs to

    @property
    def full_title(self) -> str:
        """What it says away from the row above."""
        return f"{self.of}: {self.title}" if self.of else self.title


def _rate(name: str, title: str) -> tuple[Measure, Measure]:
    return (
        Measure(name=name, title=title, unit="requests/s", more_is_better=True),
        Measure(name=f"{name}-cpu", title="processor time a request", unit="µs", digits=1, of=title),
    )


def _volume(name: str, title: str) -> tuple[Measure, Measure]:
    return (
        Measure(name=name, title=title, unit="GB/s", digits=2, more_is_better=True),
        Measure(name=f"{name}-cpu", title="processor time a GB", unit="ms", of=title),
    )


def _quiet(heat: str, title: str) -> tuple[Measure, ...]:
    of = f"quiet routes beside {title}" if title else "nine quiet routes alone"
    figures = (
        Measure(name=f"fairness-{heat}-p50", title=f"{of}: latency, median", unit="ms", digits=2),
        Measure(name=f"fairness-{heat}-p99", title="latency, 99 %", unit="ms", digits=2, of=of),
    )
    if not title:
        return figures
    elsewhere = "median, times that beside the same at another gateway of this machine"
    return (
        *figures,
        Measure(name=f"fairness-{heat}-ratio", title="median, times that alone", unit="×", digits=2, of=of),
        Measure(name=f"fairness-{heat}-elsewhere", title=elsewhere, unit="×", digits=2, of=of),
    )


_NONE, _ALL = "200 requests/s, nothing else", "200 requests/s beside all sessions and WebSockets"
_ECHO = "WebSocket echo"
_HALF = "half of its own maximum"
_TCP = "a private TCP port behind its relay, beside a UNIX socket"

MEASURES = (
    *_rate("keepalive", "kept connections, the same request"),
    *_rate("distinct", "kept connections, no request twice"),
    *_rate("close", "a connection each"),
    *_rate("tls", "TLS, kept connections"),
    Measure(name="latency-rate", title=_HALF, unit="requests/s", compared=False),
    Measure(name="latency-p50", title="latency, median", unit="ms", digits=2, of=_HALF),
    Measure(name="latency-p99", title="latency, 99 %", unit="ms", digits=2, of=_HALF),
    Measure(name="latency-cpu", title="processor time a request", unit="µs", digits=1, of=_HALF),
    *_volume("download", "download"),
    *_volume("upload", "upload"),
    Measure(name="websocket", title=f"{_ECHO}, median", unit="µs"),
    Measure(name="websocket-p99", title="99 %", unit="µs", of=_ECHO),
    Measure(name="websocket-cpu", title="processor time a message", unit="µs", digits=1, of=_ECHO),
    Measure(name="websocket-memory", title="memory of an idle WebSocket", unit="KiB", digits=1),
    *_rate("chain", "whole chain over SSH"),
    *_volume("chain-download", "whole chain over SSH, download"),
    *_volume("chain-upload", "whole chain over SSH, upload"),
    Measure(name="tcp", title=_TCP, unit="requests/s", more_is_better=True),
    Measure(
        name="tcp-download",
        title="download without a gateway",
        unit="GB/s",
        digits=2,
        more_is_better=True,
        of=_TCP,
    ),
    Measure(name="registration-first", title="registration of the first sessions", unit="ms", digits=2),
    Measure(name="registration-last", title="registration of the thousandth session", unit="ms", digits=2),
    Measure(name="session-memory", title="memory of a session", unit="KiB", digits=1),
    Measure(
        name="capacity-websocket-memory", title="memory of one of 4,000 idle WebSockets", unit="KiB", digits=1
    ),
    Measure(name="capacity-none-p50", title=f"{_NONE}: latency, median", unit="ms", digits=2),
    Measure(name="capacity-none-p99", title="latency, 99 %", unit="ms", digits=2, of=_NONE),
    Measure(name="capacity-all-p50", title=f"{_ALL}: latency, median", unit="ms", digits=2),
    Measure(name="capacity-all-p99", title="latency, 99 %", unit="ms", digits=2, of=_ALL),
    *(row for count in SCALES for row in _rate(f"scale-{count}", f"beside {count:,} routes and connections")),
    Measure(name="client-memory", title="memory of a client process", unit="MiB", digits=1),
    Measure(name="client-ssh-memory", title="memory of its ssh", unit="MiB", digits=1),
    *_quiet("alone", ""),
    *_quiet("flood", "a flooded one"),
    *_quiet("downloads", "one with downloads"),
    *_quiet("pending", "one with 500 requests pending"),
    *_quiet("unread", "one with slow readers"),
    *_quiet("pongs", "a control channel that repeats a line"),
    *_quiet("lists", "20 owner's channels that list sessions"),
    *_quiet("chunks", "one that answers in chunks of one byte"),
    *_quiet("uploads", "one that is sent chunks of one byte"),
    *_quiet("interim", "one that answers with interim responses"),
    *_quiet("pages", "250 pages of sessions that change"),
    *_quiet("sessions", "20 flooded ones of another user"),
    *_quiet("unknown", "strangers who ask for an unknown host"),
    *_quiet("status", "strangers who ask for the status"),
    *_quiet("tokens", "strangers with 200 wrong tokens a request"),
    *_quiet("connections", "strangers who connect and go"),
    *_quiet("silent", "100 strangers who say nothing"),
    *_quiet("stalled", "one with downloads that nobody reads"),
    *_quiet("parts", "a thousand heads that come byte by byte"),
    *_quiet("forms", "forms without end on the login page"),
    *_quiet("extensions", "one that is sent chunks with long extensions"),
    *_quiet("options", "strangers who ask for options"),
    *_quiet("registrations", "a client that registers and leaves again and again"),
    *_quiet("shares", "owners who share and revoke again and again"),
    *_quiet("tunnels", "tunnels that carry a byte at a time"),
    *_quiet("heads", "strangers whose heads are as large as they may be"),
    *_quiet("pings", "a session's pages that ping without end"),
    *_quiet("clients", "clients that connect again and again and say nothing"),
    *_quiet("users", "the same chunks and floods of eight users"),
    *_quiet("own-lists", "their own user's channels that list sessions"),
    *_quiet("own-chunks", "their own user's chunks of one byte"),
    *_quiet("own-sessions", "20 flooded ones of their own user"),
    Measure(name="help", title="conductor-trio --help", unit="ms"),
    Measure(name="launch-local", title="launch to live, on one host", unit="ms"),
    Measure(name="launch-ssh", title="launch to live, over SSH", unit="ms"),
)
_BY_NAME = {measure.name: measure for measure in MEASURES}


def medians(samples: Sequence[Sample]) -> dict[str, dict[str, float]]:
    """Return the median over the rounds, for each measure in the table's order and each peer."""
    rounds: dict[str, dict[str, list[float]]] = {measure.name: {} for measure in MEASURES}
    for sample in samples:
        rounds[sample.measure].setdefault(sample.peer, []).append(sample.value)
    return {
        name: {peer: statistics.median(values) for peer, values in peers.items()}
        for name, peers in rounds.items()
        if peers
    }


def ratio(measure: Measure, ours: float, theirs: float) -> float:
    """Return how many times better ours is than theirs; below 1 it is worse."""
    better, worse = (ours, theirs) if measure.more_is_better else (theirs, ours)
    return better / worse if worse else float("inf")


def format_table(found: Mapping[str, Mapping[str, float]], titles: Mapping[str, str]) -> str:
    """Return a Markdown table: a row a measure, a column a peer, and how many times better ours is."""
    peers = [peer for peer in titles if any(peer in row for row in found.values())]
    lines = [
        "| " + " | ".join(["", *(titles[peer] for peer in peers)]) + " |",
        "|---|" + "---:|" * len(peers),
    ]
    for name, row in found.items():
        measure = _BY_NAME[name]
        cells = [_cell(measure, row, peer) for peer in peers]
        lines.append(
            "| " + " | ".join([f"{'– ' if measure.of else ''}{measure.title}, {measure.unit}", *cells]) + " |"
        )
    return "\n".join(lines)


def _cell(measure: Measure, row: Mapping[str, float], peer: str) -> str:
    if peer not in row:
        return ""
    value = f"{row[peer]:,.{measure.digits}f}"
    if peer == REFERENCE:
        return f"**{value}**"
    if not measure.compared or REFERENCE not in row:
        return value
    return f"{value} ({ratio(measure, row[REFERENCE], row[peer]):.2f} ×)"


def describe(sample: Sample) -> str:
    """Return a line for one figure."""
    measure = _BY_NAME[sample.measure]
    return f"{measure.name:<18} {sample.peer:<10} {sample.value:>12,.{measure.digits}f} {measure.unit}"


def format_json(samples: Sequence[Sample], about: Mapping[str, object]) -> str:
    """Return everything: what was measured where and how, each round's figures, medians and ratios."""
    found = medians(samples)
    rows = {
        name: {
            "unit": _BY_NAME[name].unit,
            "median": row,
            "rounds": {peer: [s.value for s in samples if (s.measure, s.peer) == (name, peer)] for peer in row},
            "ratio": {
                peer: ratio(_BY_NAME[name], row[REFERENCE], value)
                for peer, value in row.items()
                if _BY_NAME[name].compared and REFERENCE in row and peer != REFERENCE
            },
        }
        for name, row in found.items()
    }
    return json.dumps({**about, "measures": rows}, indent=2, ensure_ascii=False) + "\n"
