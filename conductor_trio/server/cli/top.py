"""``conductor-trio-server top``: who uses what, from two looks at the ledger. Sans-IO."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

import attrs

from conductor_trio.commandline.columns import Column, format_table
from conductor_trio.commandline.quantities import format_size
from conductor_trio.control.messages import JSONObject
from conductor_trio.printable import escape
from conductor_trio.strict_json import is_number

_COLUMNS = (
    Column("USER", least=8),
    Column("CPU", to_right=True),
    Column("SESSIONS", to_right=True),
    Column("VISITORS", to_right=True),
    Column("IN/s", to_right=True),
    Column("OUT/s", to_right=True),
    Column("HELD", to_right=True),
    Column("THROTTLED"),
)
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
    earlier = {_name(one): one for one in before}
    rows = [_compare(earlier.get(_name(one), {}), one, seconds) for one in now]
    return sorted(rows, key=lambda row: (-row.processor, -(row.bytes_out or 0), -(row.visitors or 0), row.name))


def format_top(
    rows: Sequence[Row], server: Mapping[str, object], width: int | None, most: int | None = None
) -> str:
    """Return the table, of at most so many rows, below a line about all."""
    shown = rows if most is None else rows[: max(1, most)]
    head = (
        f"{_number(server, 'sessions')} sessions, {_number(server, 'lost')} lost; "
        f"server's processor {sum(row.processor for row in rows):.0%}; "
        f"held {format_size(int(_float(server.get('held'))))}; "
        f"longest turn lately {_float(server.get('loopDelayPeak')) * 1000:.1f} ms\n"
    )
    lines = [
        (
            row.name,
            f"{row.processor:.1%}",
            _count(row.sessions),
            _count(row.visitors),
            _rate(row.bytes_in),
            _rate(row.bytes_out),
            "-" if row.held is None else format_size(row.held),
            "yes" if row.is_throttled else "no",
        )
        for row in shown
    ]
    more = f"and {len(rows) - len(shown)} more\n" if len(rows) > len(shown) else ""
    return head + "\n" + "".join(format_table(_COLUMNS, lines, width)) + more


def describe_top(rows: Sequence[Row], server: Mapping[str, object]) -> JSONObject:
    """Return one look for JSON."""
    told = {name: value for name, value in server.items() if name not in ("status", "count", "time")}
    return {"at": time.time(), **told, "users": [row.describe() for row in rows]}


def _compare(before: Mapping[str, object], now: Mapping[str, object], seconds: float) -> Row:
    def rate(field: str) -> float | None:
        if field not in now:
            return None
        return max(0.0, _float(now.get(field)) - _float(before.get(field))) / seconds if before else 0.0

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


def _name(told: Mapping[str, object]) -> tuple[str, str]:
    return str(told.get("kind")), str(told.get("user"))


def _float(value: object) -> float:
    return float(value) if is_number(value) else 0.0


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _round(value: float | None) -> float | None:
    return None if value is None else round(value, 1)


def _number(told: Mapping[str, object], field: str) -> int:
    return int(_float(told.get(field)))


def _count(value: int | None) -> str:
    return "-" if value is None else str(value)


def _rate(value: float | None) -> str:
    return "-" if value is None else format_size(int(value))
