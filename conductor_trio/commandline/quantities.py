"""Times and sizes as people write and read them."""

from __future__ import annotations

import argparse
import re

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PART = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,3})?)([smhd])")


def parse_duration(text: str) -> float:
    """Return the seconds that ``90s``, ``30m``, ``1h30m`` or ``2d`` is; raises ValueError with what to write."""
    parts = _PART.findall(text)
    seconds = sum(float(number) * _UNITS[unit] for number, unit in parts)
    if not seconds or "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f"{text!r} is no time; write it as 90s, 30m, 8h, 1h30m or 2d")
    return seconds


def parse_time(text: str) -> float:
    """Return the seconds that an option says; raises what argparse tells."""
    try:
        return parse_duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def parse_whole(text: str) -> int:
    """Return the whole number that an option says; raises what argparse tells."""
    try:
        return int(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text[:50]!r} is no whole number") from error


def format_duration(seconds: float) -> str:
    """Return a time in the two units that matter."""
    whole = max(0, round(seconds))
    minutes, hours, days = whole // 60, whole // 3600, whole // 86400
    if days:
        return f"{days} d {hours % 24} h"
    if hours:
        return f"{hours} h {minutes % 60} min"
    return f"{minutes} min" if minutes else f"{whole} s"


def format_size(count: int) -> str:
    """Return a number of bytes with three digits."""
    size, units = float(count), iter(("B", "KiB", "MiB", "GiB", "TiB"))
    unit = next(units)
    while size >= 999.5 and (larger := next(units, None)):
        size, unit = size / 1024, larger
    return f"{size:.0f} {unit}" if size >= 99.95 or unit == "B" else f"{size:.1f} {unit}"
