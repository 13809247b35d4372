"""The words for a program's settings: what each holds, where it may be said, and what it means.

One table of them is what the command line's options, the file's keys, the example file and ``config`` are made of,
so that none knows a setting that another does not.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable

import attrs

from conductor_trio.commandline.quantities import parse_duration, parse_whole
from conductor_trio.commandline.table import Kind as Completed
from conductor_trio.commandline.table import Option
from conductor_trio.configuration.toml_table import Table
from conductor_trio.limits.constants import MAX_COUNT, MAX_PORT, MAX_TIME


class Kind:
    """What a setting holds: how it is read from a file, what is wrong with it, and how it is written."""

    completed: Completed = Completed.TEXT  #: what a shell completes it with
    is_list = False

    def read(self, table: Table, key: str) -> object:
        """Return the value of a file, None where it has no such key; raises `ConfigError` for another kind."""
        raise NotImplementedError

    def parse(self, word: str) -> object:
        """Return the value of a command line's word; raises ArgumentTypeError or ValueError for another kind."""
        return word

    def check(self, value: object) -> object:
        """Return the value as it is kept, wherever it is from; raises ValueError with what is wrong with it."""
        return value


@attrs.frozen(kw_only=True)
class Text(Kind):
    """A text; `normalize` returns it as it is kept, or raises ValueError."""

    may_be_empty: bool = False
    normalize: Callable[[str], str] = str

    def read(self, table: Table, key: str) -> object:
        return table.get_any_text(key) if self.may_be_empty else table.get_text(key)

    def check(self, value: object) -> object:
        return self.normalize(str(value))


@attrs.frozen(kw_only=True)
class Path(Kind):
    """A path: one that is relative is below the directory of the file that says it, or the working directory."""

    completed: Completed = Completed.FILE

    def read(self, table: Table, key: str) -> object:
        path = table.get_text(key)
        return None if path is None else os.path.join(os.path.dirname(os.path.abspath(table.file)), path)


@attrs.frozen(kw_only=True)
class Texts(Kind):
    """Several texts: a list, or one; an option that may be given several times. For `normalize` see `Text`."""

    is_list = True
    normalize: Callable[[str], str] = str

    def read(self, table: Table, key: str) -> object:
        if isinstance(table.values.get(key), str):
            return (table.get_text(key),)
        return table.get_texts(key)

    def check(self, value: object) -> object:
        assert isinstance(value, list | tuple)
        return tuple(self.normalize(str(text)) for text in value)


@attrs.frozen(kw_only=True)
class Switch(Kind):
    """Yes or no."""

    def read(self, table: Table, key: str) -> object:
        return table.get_flag(key)


@attrs.frozen(kw_only=True)
class Count(Kind):
    """A whole number; `what` is what it counts."""

    what: str
    least: int = 1
    most: int = MAX_COUNT

    def read(self, table: Table, key: str) -> object:
        return table.get_number(key, self.least, self.most)

    def parse(self, word: str) -> object:
        return parse_whole(word)

    def check(self, value: object) -> object:
        assert isinstance(value, int)
        if not self.least <= value <= self.most:
            bound = f"{self.least} or more" if value < self.least else f"at most {self.most}"
            raise ValueError(f"{value}: it is how many {self.what} there may be, {bound}")
        return value


@attrs.frozen(kw_only=True)
class Port(Kind):
    """A TCP port; 0 is one of the kernel's choice."""

    def read(self, table: Table, key: str) -> object:
        return table.get_number(key, 0, MAX_PORT)

    def parse(self, word: str) -> object:
        return parse_whole(word)

    def check(self, value: object) -> object:
        assert isinstance(value, int)
        if not 0 <= value <= MAX_PORT:
            raise ValueError(f"{value} is no TCP port (1 to {MAX_PORT})")
        return value


@attrs.frozen(kw_only=True)
class Seconds(Kind):
    """A time: a number of seconds, or as ``1h30m``."""

    def read(self, table: Table, key: str) -> object:
        return table.get_seconds(key)

    def parse(self, word: str) -> object:
        try:
            return float(word)
        except ValueError:
            pass
        try:
            return parse_duration(word)
        except ValueError as error:
            raise argparse.ArgumentTypeError(f"{error}, or as a number of seconds") from error

    def check(self, value: object) -> object:
        assert isinstance(value, float)
        if not value >= 0:
            raise ValueError("it is a number of seconds, 0 or more")
        return min(value, MAX_TIME)  # which is longer than anybody waits, and can be written


@attrs.frozen(kw_only=True)
class Setting:
    """A setting: its key in a file, the flags of its option if it has one, what it holds and what it means.

    `field` is the name under which a program finds its value. `help` is as an option's is shown, `more` what a
    file says besides. `example` is a value that an operator might want, in TOML, where the default says little.
    """

    field: str
    kind: Kind
    help: str
    flags: tuple[str, ...] = ()
    own_key: str = ""
    also: tuple[str, ...] = ()  #: further keys by which a file may say it
    metavar: str | None = None
    default: object = None
    group: str = ""  #: the heading below which the help lists it
    more: str = ""
    example: str = ""

    @property
    def keys(self) -> tuple[str, ...]:
        """Its own key in a file, or the option's long names, by each of which it is known."""
        if self.own_key:
            return (self.own_key, *self.also)
        names = [flag[2:].replace("-", "_") for flag in self.flags if flag.startswith("--")]
        return (*(names or [self.field]), *self.also)

    @property
    def key(self) -> str:
        """Its key in a file."""
        return self.keys[0]

    @property
    def option(self) -> Option:
        """Its option, whose value is None where it is not given."""
        is_switch = isinstance(self.kind, Switch)
        return Option(
            flags=self.flags,
            field=self.field,
            metavar=None if is_switch else self.metavar,
            values=self.kind.completed,
            parse=self.kind.parse,
            help=self.help,
            is_repeatable=self.kind.is_list,
            is_negatable=is_switch,
            group=self.group,
        )


@attrs.frozen(kw_only=True)
class Section:
    """A table of the file, of that name: its settings; those of one who is named, as in ``[users.NAME]``.

    The one without a name is the file's beginning. Settings of those who are named have no options.
    """

    name: str = ""
    settings: tuple[Setting, ...]
    named: str = ""  #: what is named there, such as a user; nothing where the settings are the section's own
    help: str = ""
