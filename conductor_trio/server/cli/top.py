"""``conductor-trio-server top``: who uses what, for people and for programs. Sans-IO."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from conductor_trio.commandline.columns import Column, format_table
from conductor_trio.commandline.quantities import format_size
from conductor_trio.control.messages import JSONObject
from conductor_trio.server.admin.usage import Row, as_float

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


def format_top(
    rows: Sequence[Row], server: Mapping[str, object], width: int | None, most: int | None = None
) -> str:
    """Return the table, of at most so many rows, below a line about all."""
    shown = rows if most is None else rows[: max(1, most)]
    head = (
        f"{_number(server, 'sessions')} sessions, {_number(server, 'lost')} lost; "
        f"server's processor {sum(row.processor for row in rows):.0%}; "
        f"held {format_size(int(as_float(server.get('held'))))}; "
        f"longest turn lately {as_float(server.get('loopDelayPeak')) * 1000:.1f} ms\n"
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


def _number(told: Mapping[str, object], field: str) -> int:
    return int(as_float(told.get(field)))


def _count(value: int | None) -> str:
    return "-" if value is None else str(value)


def _rate(value: float | None) -> str:
    return "-" if value is None else format_size(int(value))
