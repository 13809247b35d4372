"""TOML files that people write, read so that every mistake is told with its file, its line and its key."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping

import attrs

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

    The standard library's parser keeps no positions, so it is asked about one line after the other.
    """
    lines = source.split("\n")
    table: tuple[str, ...] = ()
    found: int | None = None
    depth = 0
    for index, line in enumerate(lines):
        header = line.lstrip().startswith("[")
        keys = _keys_of(line if header else line.partition("=")[0] + "= 0")
        if not keys:
            continue
        here = keys if header else table + keys
        shared = _count_shared(here, path)
        # Not yet inside a text or a list of several lines: what stands before is whole by itself.
        if (header or shared > depth) and _is_toml("\n".join(lines[:index])):
            table = keys if header else table
            if shared > depth:
                found, depth = index + 1, shared
    return found


def suggest(word: str, known: Iterable[str]) -> str:
    """Return advice for a word that is not known: the one that it resembles, or all there are."""
    import difflib  # costs 4 ms, and only where there is a mistake

    names = sorted(known)
    similar = difflib.get_close_matches(word, names, n=1)
    return f"did you mean {similar[0]}?" if similar else f"there is: {', '.join(names)}"


def _keys_of(statement: str) -> tuple[str, ...]:
    """Return the path of the one thing that a line defines; empty where it defines nothing by itself."""
    keys = []
    try:
        value: object = tomllib.loads(statement)
    except ValueError:
        return ()
    while isinstance(value, dict) and len(value) == 1:
        [(key, value)] = value.items()
        keys.append(key)
    return tuple(keys)


def _count_shared(one: tuple[str, ...], other: tuple[str, ...]) -> int:
    """Return how many keys both begin with."""
    count = 0
    while one[:count] == other[:count] and count < min(len(one), len(other)) and one[count] == other[count]:
        count += 1
    return count


def _is_toml(source: str) -> bool:
    try:
        tomllib.loads(source)
    except (ValueError, RecursionError):
        return False
    return True
