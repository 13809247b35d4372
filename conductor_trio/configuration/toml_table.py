"""TOML files that people write, read so that every mistake is told with its file, its line and its key."""

from __future__ import annotations

import errno
import functools
import os
import re
import stat
import tomllib
from collections.abc import Iterable, Iterator, Mapping

import attrs

from conductor_trio.commandline.quantities import parse_duration
from conductor_trio.commandline.suggest import find_similar, suggest
from conductor_trio.configuration.toml_words import advise
from conductor_trio.errors import ConfigError
from conductor_trio.limits.constants import MAX_CONFIG_FILE, MAX_TIME

_POSITION = re.compile(r" \(at line (\d+), column \d+\)$| \(at end of document\)$")


@attrs.frozen(kw_only=True)
class Table:
    """One table of a file: its values by key, and where it stands."""

    file: str
    lines: Lines = attrs.field(repr=False, eq=False)
    path: tuple[str, ...] = ()
    values: Mapping[str, object]

    def wrong(self, what: str, *keys: str) -> ConfigError:
        """Return the error that says what is wrong with the value at these keys, and where it is."""
        line = self.line_of(*keys)
        where = self.file if line is None else f"{self.file}:{line}"
        return ConfigError(": ".join([where, *filter(None, [".".join((*self.path, *keys))]), what]))

    def line_of(self, *keys: str) -> int | None:
        """Return the line of the value at these keys, or of the nearest table that holds it."""
        return self.lines.find((*self.path, *keys))

    def check_keys(self, known: Iterable[str], elsewhere: Mapping[str, str] | None = None) -> None:
        """Raise `ConfigError` for a key that has no meaning here; `elsewhere` says where others stand."""
        known, elsewhere = list(known), elsewhere or {}
        for key in self.values:
            if key in known:
                continue
            advice = suggest(key, known)
            if key in elsewhere or find_similar(key, known) is None:
                other = find_similar(key, elsewhere)
                advice = advice if other is None else f"did you mean {other}, which stands {elsewhere[other]}?"
            raise self.wrong(f"there is no such setting; {advice}", key)

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

    def get_any_text(self, key: str) -> str | None:
        """Return a text without control characters, which may be empty, or None where there is no such key."""
        return "" if self.values.get(key) == "" else self.get_text(key)

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

    def get_seconds(self, key: str) -> float | None:
        """Return a time of no less than 0, given as a number of seconds or as ``1h30m``; None without the key."""
        value = self.values.get(key)
        if value is None:
            return None
        if isinstance(value, str):
            try:
                return parse_duration(value)
            except ValueError as error:
                raise self.wrong(str(error), key) from error
        if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= MAX_TIME:
            raise self.wrong('has to be a number of seconds, or a time such as "90s" or "1h30m"', key)
        return float(value)

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
        return Table(file=self.file, lines=self.lines, path=(*self.path, key), values=value)

    def _fitting(self, value: object, *keys: str) -> str:
        if not isinstance(value, str) or "\0" in value:
            raise self.wrong("each of it has to be text, in quotation marks", *keys)
        return value


def read_table(file: str) -> Table | None:
    """Return what the file holds, or None where there is no such file; raises `ConfigError`."""
    try:
        # Without waiting for whoever might write into a pipe of that name.
        descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
        try:
            _check_file(file, os.fstat(descriptor))
            with open(descriptor, "rb", closefd=False) as stream:
                content = stream.read(MAX_CONFIG_FILE + 1)
        finally:
            os.close(descriptor)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise ConfigError(f"cannot read {file}: {error.strerror}") from error
    if len(content) > MAX_CONFIG_FILE:
        raise ConfigError(f"{file}: is larger than {MAX_CONFIG_FILE} bytes")
    try:
        return parse_table(content.decode().replace("\r\n", "\n"), file=file)
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file}: is not UTF-8 text, from byte {error.start} on") from error


def _check_file(file: str, found: os.stat_result) -> None:
    """Raise what tells that this is no file to be read, or none to be believed."""
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not stat.S_ISREG(found.st_mode):
        raise ConfigError(f"cannot read {file}: it is no file")
    if found.st_mode & stat.S_IWOTH:
        raise ConfigError(
            f"{file}: every user may write to it, and so decide what is done", advice=f"chmod o-w {file}"
        )


def parse_table(source: str, *, file: str) -> Table:
    """Return what the text of a file holds; raises `ConfigError`."""
    try:
        return Table(file=file, lines=Lines(source), values=tomllib.loads(source))
    except (ValueError, RecursionError) as error:  # among them numbers of more digits than Python reads
        message = str(error)
        position = _POSITION.search(message)
        line = (position and position[1]) or str(source.count("\n") + 1)
        said = _POSITION.sub("", message)
        text = source.split("\n")[int(line) - 1]
        raise ConfigError(f"{file}:{line}: is no TOML: {said}", advice=advise(said, text)) from error


class Lines:
    """Where the keys of a TOML text stand, which the standard library's parser does not say."""

    def __init__(self, source: str) -> None:
        self._source = source

    def find(self, path: tuple[str, ...]) -> int | None:
        """Return the line, from 1, of the key at `path`, or of the nearest that holds it; None where none does."""
        for end in range(len(path), 0, -1):
            if path[:end] in self._first:
                return self._first[path[:end]]
        return None

    @functools.cached_property
    def _first(self) -> dict[tuple[str, ...], int]:
        """The first line on which each key stands, or one below it."""
        first: dict[tuple[str, ...], int] = {}
        table: tuple[str, ...] = ()
        for line, keys, is_header in _statements(self._source):
            here = keys if is_header else table + keys
            if is_header:
                table = keys
            for end in range(1, len(here) + 1):
                first.setdefault(here[:end], line)
        return first


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
