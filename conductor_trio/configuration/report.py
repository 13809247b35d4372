"""What is in force, told: to people as a file with the place of each value, to programs as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import attrs

from conductor_trio.configuration.configured import Configuration, Origin
from conductor_trio.configuration.toml_text import format_key, format_value

_WIDEST = 60


@attrs.frozen(kw_only=True)
class Row:
    """A value in force, by its key in a file, None where it has none; and where it is said."""

    key: tuple[str, ...]
    value: object
    origin: Origin

    @property
    def told(self) -> str:
        """The value and its place, in a sentence."""
        return f"{'not set' if self.value is None else format_value(self.value)} ({self.origin})"

    @property
    def text(self) -> str:
        """The row as a line of a file."""
        name = format_key(*self.key)
        line = f"# {name} is not set" if self.value is None else f"{name} = {format_value(self.value)}"
        return f"{line:{_WIDEST}} # {self.origin}"


def make_rows(said: Configuration) -> list[Row]:
    """Return all that is in force."""
    return [Row(key=key, value=given.value, origin=given.origin) for key, given in said.rows()]


def format_rows(rows: Iterable[Row]) -> str:
    """Return a line for each."""
    return "".join(f"{row.text}\n" for row in rows)


def differing(mine: Sequence[Row], theirs: Sequence[Row]) -> Iterator[tuple[Row | None, Row | None]]:
    """Yield the rows whose values differ; None for one that the other side has not."""
    ours, others = ({row.key: row for row in rows} for rows in (mine, theirs))
    for key in dict.fromkeys([*ours, *others]):
        one, other = ours.get(key), others.get(key)
        if one is None or other is None or one.value != other.value:
            yield one, other


def describe(said: Configuration) -> dict[str, object]:
    """Return what is in force as values of JSON."""
    return describe_rows(said.file, make_rows(said))


def describe_rows(file: str | None, rows: Iterable[Row]) -> dict[str, object]:
    """Return the same of rows, and the file that was read for them."""
    return {"file": file, "settings": [_describe(row) for row in rows]}


def _describe(row: Row) -> dict[str, object]:
    origin = row.origin
    said = {"option": origin.flag} if origin.flag else {"file": origin.file, "line": origin.line}
    where = "default" if origin.is_default else "command line" if origin.flag else "file"
    kept = {"kept": True} if origin.is_kept else {}
    return {"key": row.key, "value": row.value, "from": where, **({} if origin.is_default else said), **kept}


def read_rows(description: Mapping[str, Any]) -> list[Row]:
    """Return the rows of what `describe` has returned, of another process; raises ValueError."""
    rows = []
    for entry in description.get("settings", ()):
        match entry:
            case {"key": list() as key, "value": value}:
                origin = Origin(
                    flag=entry.get("option"),
                    file=entry.get("file"),
                    line=entry.get("line"),
                    is_kept=entry.get("kept") is True,
                )
                known = tuple(value) if isinstance(value, list) else value
                rows.append(Row(key=tuple(map(str, key)), value=known, origin=origin))
            case _:
                raise ValueError("no description of settings")
    return rows
