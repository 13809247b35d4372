"""Values and keys written in TOML."""

from __future__ import annotations

import json
import re

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


def format_value(value: object) -> str:
    """Return a value in TOML."""
    match value:
        case bool():
            return "true" if value else "false"
        case float() if value.is_integer():
            return str(int(value))
        case int() | float():
            return str(value)
        case tuple() | list():
            return f"[{', '.join(map(format_value, value))}]"
        case _:
            # A basic string is JSON's, but for DEL.
            return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")


def format_key(*path: str) -> str:
    """Return a dotted key in TOML."""
    return ".".join(key if _BARE_KEY.fullmatch(key) else format_value(key) for key in path)
