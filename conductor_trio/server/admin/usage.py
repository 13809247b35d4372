"""Who uses what, from two looks at the ledger: what `top` and the dashboard show. Sans-IO."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs

from conductor_trio.control.messages import JSONObject
from conductor_trio.printable import escape
from conductor_trio.strict_json import is_number

_NAMES = {"strangers": "(strangers)", "proxies": "(front proxies)"}


@attrs.frozen(kw_only=True)
class Row:
    """What one user's sessions use, or strangers or front proxies; None for what these have not."""

    kind: str
    user: str | None
    processor: float  #: the part of the time, from 0 to 1
    sessions: int | None
    lost: int | None
    visitors: int | None
    requests: float | None  # a second, as those that follow
    bytes_in: float | None
    bytes_out: float | None
    held: int | None
    is_throttled: bool

    @property
    def name(self) -> str:
        """Whose it is, for people."""
        return _NAMES.get(self.kind) or escape(self.user or "(not known)")

    def describe(self) -> JSONObject:
        """Return it for JSON."""
        return {
            "kind": self.kind,
            "user": self.user,
            "processor": round(self.processor, 4),
            "sessions": self.sessions,
            "lost": self.lost,
            "visitors": self.visitors,
            "requestsPerSecond": _round(self.requests),
            "bytesInPerSecond": _round(self.bytes_in),
            "bytesOutPerSecond": _round(self.bytes_out),
            "held": self.held,
            "throttled": self.is_throttled,
        }


def compare(before: Sequence[JSONObject], now: Sequence[JSONObject], seconds: float) -> list[Row]:
    """Return what was used between two looks, so many seconds apart, the busiest first.

    What a session had counted goes with it, so that a user's numbers can be less than before.
    """
    earlier = {name_of(one): one for one in before}
    return sorted((compare_one(earlier.get(name_of(one), {}), one, seconds) for one in now), key=rank)


def rank(row: Row) -> tuple[float, float, int, str]:
    """Return what is less for whoever uses more."""
    return -row.processor, -(row.bytes_out or 0), -(row.visitors or 0), row.name


def compare_one(before: Mapping[str, object], now: Mapping[str, object], seconds: float) -> Row:
    """Return what one of them has used; of whom nothing is known from before, nothing."""

    def rate(field: str) -> float | None:
        if field not in now:
            return None
        return max(0.0, as_float(now.get(field)) - as_float(before.get(field))) / seconds if before else 0.0

    user = now.get("user")
    return Row(
        kind=str(now.get("kind")),
        user=user if isinstance(user, str) else None,
        processor=rate("processor") or 0.0,
        sessions=_whole(now.get("sessions")),
        lost=_whole(now.get("lost")),
        visitors=_whole(now.get("visitors")),
        requests=rate("requests"),
        bytes_in=rate("bytesIn"),
        bytes_out=rate("bytesOut"),
        held=_whole(now.get("held")),
        is_throttled=now.get("throttled") is True,
    )


def name_of(told: Mapping[str, object]) -> tuple[str, str]:
    """Return by what somebody is known from look to look."""
    return str(told.get("kind")), str(told.get("user"))


def as_float(value: object) -> float:
    """Return a number of an answer's; 0 for what is none."""
    return float(value) if is_number(value) else 0.0


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _round(value: float | None) -> float | None:
    return None if value is None else round(value, 1)
