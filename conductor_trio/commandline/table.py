"""The table of a program's commands, options and arguments.

The parser, the help, the completions and the manual pages are all made of it, so that none knows an option that
another does not.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping

import attrs


class Kind(enum.Enum):
    """What a value names, for completion."""

    TEXT = "text"  # nothing that a shell could know
    FILE = "file"
    DIRECTORY = "directory"
    HOST = "host"
    PROGRAM = "program"  # as the first word of a command
    COMMAND = "command"  # one of this program's own


@attrs.frozen(eq=False, repr=False)
class Words:
    """The values that there are."""

    words: tuple[str, ...]


@attrs.frozen(eq=False, repr=False)
class FirstWords:
    """The values that a command of the shell prints, each at the beginning of a line, and behind it what it is."""

    command: str


Values = Kind | Words | FirstWords


@attrs.frozen(kw_only=True, eq=False, repr=False)
class Option:
    """An option: how it is written, what it means, and under which name its value is found.

    With `metavar` it takes a value, which `parse` reads; `parse` raises ValueError or argparse.ArgumentTypeError.
    Without, it is a switch. One that is negatable has a counterpart ``--no-…``, whose value is False; its value is
    None where neither is given.
    """

    flags: tuple[str, ...]
    field: str
    help: str
    metavar: str | None = None
    values: Values = Kind.TEXT
    parse: Callable[[str], object] = str
    default: object = None
    is_repeatable: bool = False
    is_negatable: bool = False
    group: str = ""  # the heading below which the help lists it

    @property
    def takes_value(self) -> bool:
        """Whether the next word is its value."""
        return self.metavar is not None

    @property
    def negation(self) -> str | None:
        """The flag that says the opposite."""
        return "--no-" + self.flags[-1].removeprefix("--") if self.is_negatable else None

    @property
    def all_flags(self) -> tuple[str, ...]:
        """The flags, the opposite included."""
        return self.flags if self.negation is None else (*self.flags, self.negation)


@attrs.frozen(kw_only=True, eq=False, repr=False)
class Argument:
    """A word that is no option, known by its place."""

    field: str
    metavar: str
    help: str
    values: Values = Kind.TEXT
    is_required: bool = False


VERSION = Option(flags=("-V", "--version"), field="version", help="show the version")
HELP = Option(flags=("-h", "--help"), field="help", help="show help")


@attrs.frozen(kw_only=True, eq=False, repr=False)
class Command:
    """A command of a program; that without a name is what the program does without one.

    `forms` is what may stand behind the name, as usage shows it. `tail` is what follows the arguments, or ``--``:
    words of another program, in which nothing is an option of ours.
    """

    name: str
    summary: str
    description: str = ""
    forms: tuple[str, ...]
    options: tuple[Option, ...] = ()
    arguments: tuple[Argument, ...] = ()
    tail: Argument | None = None

    @property
    def explanation(self) -> str:
        """What it does, in sentences."""
        return self.description or f"{self.summary[:1].upper()}{self.summary[1:]}."

    @property
    def all_options(self) -> tuple[Option, ...]:
        """The options, with those that every command has."""
        return (*self.options, VERSION, HELP)

    @property
    def options_by_flag(self) -> dict[str, Option]:
        """The options by each of their flags but the negations, which take no value."""
        return {flag: option for option in self.all_options for flag in option.flags}

    @property
    def all_flags(self) -> tuple[str, ...]:
        """Each flag that it knows."""
        return tuple(flag for option in self.all_options for flag in option.all_flags)


@attrs.frozen(eq=False, repr=False)
class Shipped:
    """A file that comes with a program: its path below contrib, and where it belongs below /usr or the like."""

    name: str
    place: str


def shipped_for_shells(program: str) -> tuple[Shipped, ...]:
    """Return the completions of a program."""
    return (
        Shipped(f"completion/{program}.bash", f"share/bash-completion/completions/{program}.bash"),
        Shipped(f"completion/_{program}", f"share/zsh/site-functions/_{program}"),
        Shipped(f"completion/{program}.fish", f"share/fish/vendor_completions.d/{program}.fish"),
    )


@attrs.frozen(kw_only=True, eq=False, repr=False)
class Program:
    """A program: what it does by default, its commands, and the files that come with it."""

    name: str
    description: str
    notes: str = ""
    version_note: str = ""  #: what ``--version`` says after the version
    default: Command
    commands: tuple[Command, ...]
    files: tuple[Shipped, ...] = ()
    #: What other programs call what a command of this one does, and how it is called here.
    elsewhere: Mapping[str, str] = attrs.field(factory=dict)

    @property
    def everything(self) -> tuple[Command, ...]:
        """The default and the commands."""
        return (self.default, *self.commands)

    @property
    def commands_by_name(self) -> dict[str, Command]:
        """The commands by their names."""
        return {command.name: command for command in self.commands}

    @property
    def options_by_flag(self) -> dict[str, Option]:
        """The options of all commands by flag; no flag takes a value in one and none in another."""
        return {flag: option for command in self.everything for flag, option in command.options_by_flag.items()}

    def call(self, command: Command) -> str:
        """Return how the command is called."""
        return f"{self.name} {command.name}".rstrip()
