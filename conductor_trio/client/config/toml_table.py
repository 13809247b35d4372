"""TOML files that people write, read so that every mistake is told with its file, its line and its key."""

from __future__ import annotations

import os
import re
import stat
import tomllib
from collections.abc import Iterable, Iterator, Mapping

import attrs

from conductor_trio.commandline.suggest import suggest
from conductor_trio.errors import ConfigError

_POSITION = re.compile(r" \(at line (\d+), column \d+\)$| \(at end of document\)$")


@attrs.frozen(kw_only=True)
class Table:
    """One table of a file: its values by key, and where it stands."""

    file: str
    source: str = attrs.field(repr=False, eq=False)
    path: tuple[str, ...] = ()
    values: Mapping[str, object]

    def wrong(self, what: str, *keys: str) -> ConfigError:
        """Return the error that says what is wrong with the value at these keys, and where it is."""
        path = (*self.path, *keys)
        line = find_line(self.source, path)
        where = self.file if line is None else f"{self.file}:{line}"
        return ConfigError(": ".join([where, *filter(None, [".".join(path)]), what]))

    def check_keys(self, known: Iterable[str]) -> None:
        """Raise `ConfigError` for a key that has no meaning here."""
        known = list(known)
        for key in self.values:
            if key not in known:
                raise self.wrong(f"there is no such setting; {suggest(key, known)}", key)

    def get_text(self, key: str) -> str | None:
        """Return a text without control characters that is not empty, or None where there is no such key."""
        value = self.values.get(key)
        if value is None:
            return None
        if not isinstance(value, str):
            raise self.wrong("has to be text, in quotation marks", key)
        if not value or not value.isprintable():
            raise self.wrong("is empty, or holds what cannot be printed", key)
        return value

    def get_flag(self, key: str) -> bool | None:
        """Return true or false, or None where there is no such key."""
        value = self.values.get(key)
        if value is None or isinstance(value, bool):
            return value
        raise self.wrong("has to be true or false, without quotation marks", key)

    def get_number(self, key: str, least: int, most: int) -> int | None:
        """Return a whole number within these bounds, or None where there is no such key."""
        value = self.values.get(key)
        if value is None:
            return None
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise self.wrong(f"has to be a number from {least} to {most}, without quotation marks", key)
        return value

    def get_texts(self, key: str) -> tuple[str, ...] | None:
        """Return a list of texts that fit into a command, or None where there is no such key."""
        value = self.values.get(key)
        if value is None:
            return None
        if not isinstance(value, list):
            raise self.wrong('has to be a list of texts, such as ["one", "two"]', key)
        return tuple(self._fitting(text, key) for text in value)

    def get_mapping(self, key: str) -> dict[str, str]:
        """Return a table of texts by name; empty where there is no such key."""
        table = self.get_table(key)
        if table is None:
            return {}
        return {name: self._fitting(text, key, name) for name, text in table.values.items()}

    def get_table(self, key: str) -> Table | None:
        """Return the table below this one, or None where there is no such key."""
        value = self.values.get(key)
        if value is None:
            return None
        if not isinstance(value, dict):
            raise self.wrong("has to be a table", key)
        return Table(file=self.file, source=self.source, path=(*self.path, key), values=value)

    def _fitting(self, value: object, *keys: str) -> str:
        if not isinstance(value, str) or "\0" in value:
            raise self.wrong("each of it has to be text, in quotation marks", *keys)
        return value


def read_table(file: str) -> Table | None:
    """Return what the file holds, or None where there is no such file; raises `ConfigError`."""
    try:
        with open(file, encoding="utf-8", errors="strict") as stream:
            if os.fstat(stream.fileno()).st_mode & stat.S_IWOTH:
                raise ConfigError(
                    f"{file}: every user may write to it, and so have you run what they like",
                    advice=f"chmod o-w {file}",
                )
            source = stream.read()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise ConfigError(f"cannot read {file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file}: is not UTF-8 text, from byte {error.start} on") from error
    return parse_table(source, file=file)


def parse_table(source: str, *, file: str) -> Table:
    """Return what the text of a file holds; raises `ConfigError`."""
    try:
        return Table(file=file, source=source, values=tomllib.loads(source))
    except (ValueError, RecursionError) as error:  # among them numbers of more digits than Python reads
        message = str(error)
        position = _POSITION.search(message)
        line = (position and position[1]) or str(source.count("\n") + 1)
        raise ConfigError(f"{file}:{line}: is no TOML: {_POSITION.sub('', message)}") from error


def find_line(source: str, path: tuple[str, ...]) -> int | None:
    """Return the line, from 1, of the key at `path`, or of the nearest that holds it; None where none does.

    The standard library's parser keeps no positions, so the text, which is TOML, is gone through once more.
    """
    found: int | None = None
    depth = 0
    table: tuple[str, ...] = ()
    for line, keys, is_header in _statements(source):
        here = keys if is_header else table + keys
        if is_header:
            table = keys
        shared = _count_shared(here, path)
        if shared > depth:
            found, depth = line, shared
    return found


# What a text is made of where it matters where a statement ends: strings and comments, in which nothing counts,
# brackets, between which it goes on, and the ends of lines.
_PIECE = re.compile(
    r"""(?P<string>"{3}(?:\\.|[^\\])*?"{3,5}|'{3}.*?'{3,5}|"(?:\\.|[^"\\\n])*"|'[^'\n]*')"""
    r"""|(?P<comment>\#[^\n]*)|(?P<open>[\[{])|(?P<close>[\]}])|(?P<equals>=)|(?P<end>\n)|[^"'\#\[\]{}=\n]+""",
    re.DOTALL,
)


def _statements(source: str) -> Iterator[tuple[int, tuple[str, ...], bool]]:
    """Yield the line of each statement of a TOML text, its keys, and whether it is a table's header."""
    line, depth, begin, equals = 1, 0, 0, -1
    first = line
    for match in _PIECE.finditer(source + "\n"):
        match match.lastgroup:
            case "open":
                depth += 1
            case "close":
                depth -= 1
            case "equals" if depth == 0 and equals < 0:
                equals = match.start()
            case "end" if depth == 0:
                head = source[begin : match.start() if equals < 0 else equals].strip()
                keys = _keys_of(head if equals < 0 else f"{head} = 0")
                if keys:
                    yield first, keys, equals < 0
                begin, equals, first = match.end(), -1, line + 1
            case _:
                pass
        line += match[0].count("\n")


def _keys_of(statement: str) -> tuple[str, ...]:
    """Return the path of the one thing that a statement defines; empty where it defines nothing by itself."""
    keys = []
    try:
        value: object = tomllib.loads(statement)
    except (ValueError, RecursionError):
        return ()
    while True:
        match value:
            case dict() if len(value) == 1:
                [(key, value)] = value.items()
                keys.append(key)
            case _:
                return tuple(keys)


def _count_shared(one: tuple[str, ...], other: tuple[str, ...]) -> int:
    """Return how many keys both begin with."""
    return next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
