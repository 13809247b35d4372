"""JSON from others, read so that nothing that comes of it can raise later: not by its size, its depth, or NaN.

Whole numbers may be beyond a float's range, so that they are compared before they are made one.
"""

from __future__ import annotations

import json
import math
import sys
from typing import TypeGuard

from conductor_trio.limits.constants import MAX_JSON_DEPTH, MAX_JSON_DIGITS


def parse_json(text: bytes, *, has_odd_numbers: bool = False) -> object:
    """Return the value of a JSON text in UTF-8; raises ValueError for all else.

    For what is nested too deeply to be written again, too, and for numbers that are no finite floats, such as NaN
    and 1e999: these are None where the text may have them. Lone surrogates remain: paths have some.
    """
    parse_float = _finite_or_none if has_odd_numbers else _finite
    try:
        value = json.loads(
            text.decode("utf-8"), parse_float=parse_float, parse_constant=parse_float, parse_int=_whole
        )
    except (ValueError, RecursionError):
        raise ValueError("not JSON in UTF-8") from None
    if text.count(b"[") + text.count(b"{") > MAX_JSON_DEPTH and _is_too_deep(value):
        raise ValueError("JSON that is nested too deeply")
    return value


def is_number(value: object) -> TypeGuard[int | float]:
    """Whether it is a number within a float's range; true and false are none."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def is_count(value: object, most: int) -> TypeGuard[int]:
    """Whether it is a whole number from 0 to `most`."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= most


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("no finite number")
    return number


def _finite_or_none(text: str) -> float | None:
    number = float(text)
    return number if math.isfinite(number) else None


def _whole(text: str) -> int:
    if len(text) > MAX_JSON_DIGITS:  # whatever this Python reads at most (sys.set_int_max_str_digits)
        raise ValueError("a number that is too long")
    return int(text)


def _is_too_deep(value: object) -> bool:
    level = [value]
    for _ in range(MAX_JSON_DEPTH):
        level = [inner for one in level for inner in _children(one)]
        if not level:
            return False
    return True


def _children(value: object) -> list[object]:
    match value:
        case dict():
            return list(value.values())
        case list():
            return value
    return []
