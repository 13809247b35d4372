"""The user's configuration with the gateway in it: what else is there stays as it is. Sans-IO."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from conductor_trio.configuration.toml_table import parse_table
from conductor_trio.configuration.toml_text import format_value


@attrs.frozen(kw_only=True)
class Edited:
    """The text of a file after an edit; `kept` is what stands there otherwise, by key, and was left so."""

    text: str
    kept: Mapping[str, object]


def add_settings(text: str, wanted: Mapping[str, str], *, file: str, replace: bool) -> Edited:
    """Return a file's text with these settings; raises `ConfigError` where it is malformed.

    A setting that stands there otherwise is kept, and all of the others then, too, unless they are to be replaced.
    """
    table = parse_table(text, file=file)
    others = {
        key: table.values[key]
        for key, value in wanted.items()
        if key in table.values and table.values[key] != value
    }
    if others and not replace:
        return Edited(text=text, kept=others)
    lines = text.splitlines(keepends=True)
    for key in others:
        number = table.line_of(key)
        assert number is not None
        lines[number - 1] = f"{_format(key, wanted[key])}  # was: {lines[number - 1].strip()}\n"
    missing = [f"{_format(key, value)}\n" for key, value in wanted.items() if key not in table.values]
    # At the top: further down they would belong to a table.
    return Edited(text="".join([*missing, *lines]), kept={})


def _format(key: str, value: str) -> str:
    return f"{key} = {format_value(value)}"
