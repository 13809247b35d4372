"""What is measured of requests and sessions: plain counters and histograms, from the server's start on.

They are changed in the middle of the server's work, and read only by whoever asks for them, so everything here is
chosen for being changed quickly.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import get_args

import attrs

from conductor_trio.access.reasons import (
    LinkForOneBrowser,
    PlantedCookies,
    Reason,
    Redirect,
    Refusal,
    UpstreamFailed,
)
from conductor_trio.errors import UpstreamFault
from conductor_trio.limits.observability import READY_TIME_BOUNDS, REQUEST_TIME_BOUNDS
from conductor_trio.server.observability.histogram import Histogram

#: What is no refusal: the visitor goes on, or is asked something.
_NO_REFUSALS = (LinkForOneBrowser, PlantedCookies, Redirect)


def request_times() -> Histogram:
    """Return a histogram for the times of requests."""
    return Histogram(REQUEST_TIME_BOUNDS)


def by_status_class() -> tuple[Histogram, ...]:
    """Return a histogram for each first digit of a status; 0 is for those who went before there was one."""
    return tuple(request_times() for _ in range(10))


def name_reason(reason: Reason) -> str | None:
    """Return a word for why a visitor was refused, None where they were not."""
    match reason:
        case Refusal():
            return reason.name.lower()
        case UpstreamFailed(fault=fault):
            return fault.name.lower()
        case _ if isinstance(reason, _NO_REFUSALS):
            return None
        case _:
            return _name_type(type(reason))


def _name_type(kind: type) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", kind.__name__).lower()


def _all_reasons() -> Counter[str]:
    """Return no refusal for any reason, so that each is there from the start."""
    values = {*Refusal, *UpstreamFault}
    others = {kind for kind in get_args(Reason) if kind not in (Refusal, UpstreamFailed, *_NO_REFUSALS)}
    return Counter(
        dict.fromkeys([value.name.lower() for value in values] + [_name_type(kind) for kind in others], 0)
    )


@attrs.define(eq=False)
class Measures:
    """All of them, of one server. Times are in seconds."""

    #: From the end of a request's head to the end of its response, by the first digit of the status.
    by_application: tuple[Histogram, ...] = attrs.field(factory=by_status_class, init=False)
    by_gateway: tuple[Histogram, ...] = attrs.field(factory=by_status_class, init=False)
    #: From the end of a request's head to an application's response, where nothing was waited for but that; and of
    #: all others, whose way has several hops.
    direct: Histogram = attrs.field(factory=request_times, init=False)
    first_byte: Histogram = attrs.field(factory=request_times, init=False)
    queue: Histogram = attrs.field(factory=request_times, init=False)
    connect: Histogram = attrs.field(factory=request_times, init=False)
    application: Histogram = attrs.field(factory=request_times, init=False)
    upgrades: int = attrs.field(default=0, init=False)  #: connections that became a tunnel or a page's socket
    parked: int = attrs.field(default=0, init=False)  #: requests that have waited for a session
    refusals: Counter[str] = attrs.field(factory=_all_reasons, init=False)
    wrong_tokens: int = attrs.field(default=0, init=False)
    #: From a client's connection to the moment that visitors get to its application.
    ready: Histogram = attrs.field(factory=lambda: Histogram(READY_TIME_BOUNDS), init=False)
    sessions: Counter[str] = attrs.field(factory=Counter, init=False)  #: at this moment, by state
    session_events: Counter[str] = attrs.field(factory=Counter, init=False)

    def count_refusal(self, reason: Reason) -> None:
        """Count that a visitor was refused, if that is what the reason says."""
        if (name := name_reason(reason)) is not None:
            self.refusals[name] += 1
