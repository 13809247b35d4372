"""A command line read by a program's table: which command, which options, and the words of another program.

argparse reads the options and writes the help. Its own sub-commands do not fit: here the first word may be a
command or an argument, options may stand before it and behind, and what follows a certain word is another
program's. Of its peers, click takes 20 ms to import and cyclopts 44 ms, argparse 5 ms (``python -X importtime``),
where all of ``--help`` takes 65 ms.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NoReturn

import attrs

from conductor_trio import __version__, exit_status
from conductor_trio.commandline.output import write_output
from conductor_trio.commandline.suggest import find_similar, suggest
from conductor_trio.commandline.table import HELP, VERSION, Argument, Command, Option, Program


@attrs.frozen(kw_only=True)
class Invocation:
    """What a command line says. `fail` says what is wrong with it, shows the usage and raises SystemExit(2)."""

    command: Command
    given: argparse.Namespace
    tail: tuple[str, ...]
    fail: Callable[[str], NoReturn]


class _Parser(argparse.ArgumentParser):
    """argparse's, which says what is wrong as the program says all else that is."""

    def error(self, message: str) -> NoReturn:
        """Show the usage, and what is wrong in one line."""
        program = self.prog.partition(" ")[0]
        self.print_usage(sys.stderr)
        self.exit(exit_status.WRONG_USAGE, f"{program}: {message.removeprefix('argument ')}\n")


def parse(program: Program, argv: Sequence[str]) -> Invocation:
    """Return what a command line says; SystemExit(2) for wrong usage, SystemExit(0) after help and version."""
    command, words = _take_command(program, argv)
    parser = _make_parser(program, command)
    end = _find_tail(command, words)
    flags = _check_options(program, command, words[:end], parser)
    if not flags.isdisjoint(HELP.flags):
        _answer(parser.format_help())
    if not flags.isdisjoint(VERSION.flags):
        _answer(f"{program.name} {__version__}{program.version_note}\n")
    tail = words[end + 1 :] if words[end : end + 1] == ["--"] else words[end:]
    given = parser.parse_intermixed_args(words[:end])
    return Invocation(command=command, given=given, tail=tuple(tail), fail=parser.error)


def _answer(text: str) -> NoReturn:
    write_output(text)
    raise SystemExit(exit_status.OK)


def format_help(program: Program, command: Command) -> str:
    """Return what ``--help`` shows."""
    return _make_parser(program, command).format_help()


def suggest_command(program: Program, word: str) -> str | None:
    """Return what to say about a word that may be meant for a command, or None where it resembles none."""
    similar = program.elsewhere.get(word) or find_similar(word, program.commands_by_name)
    return None if similar is None else f"there is no command {word!r}; did you mean {similar}?"


def _take_command(program: Program, argv: Sequence[str]) -> tuple[Command, list[str]]:
    """Return the command, and all words but its name, which is the first word that belongs to no option."""
    for place, flags in _walk(argv, program.options_by_flag):
        if not flags:
            command = program.commands_by_name.get(argv[place])
            if command is not None:
                return command, [*argv[:place], *argv[place + 1 :]]
            break
    return program.default, list(argv)


def _walk(words: Sequence[str], options: Mapping[str, Option]) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Yield the place of each word that is no option's value, and the flags in it; ``--`` has none."""
    places = iter(range(len(words)))
    for place in places:
        flags, is_value_next = _read_flags(words[place], options)
        if is_value_next:
            next(places, None)
        yield place, flags


def _read_flags(word: str, options: Mapping[str, Option]) -> tuple[tuple[str, ...], bool]:
    """Return the flags in a word, and whether the next word is the value of the last."""
    if not word.startswith("-") or word in ("-", "--"):
        return (), False
    if word.startswith("--"):
        flag, equals, _ = word.partition("=")
        return (flag,), not equals and flag in options and options[flag].takes_value
    flags: list[str] = []
    for place, letter in enumerate(word[1:], 2):
        flags.append(f"-{letter}")
        option = options.get(flags[-1])
        if option is None or option.takes_value:  # what follows is its value, or means nothing
            return tuple(flags), option is not None and place == len(word)
    return tuple(flags), False


def _find_tail(command: Command, words: Sequence[str]) -> int:
    """Return where the words end that are ours."""
    if command.tail is None:
        return len(words)
    left = len(command.arguments)
    for place, flags in _walk(words, command.options_by_flag):
        if words[place] == "--":
            return place
        left -= not flags
        if left == 0:
            return place + 1
    return len(words)


def _check_options(
    program: Program, command: Command, words: Sequence[str], parser: argparse.ArgumentParser
) -> set[str]:
    """Return the flags there are; refuse one that the command does not know, and a word where it takes none."""
    given: set[str] = set()
    for place, flags in _walk(words, command.options_by_flag):
        if words[place] == "--":
            break
        if not flags and not command.arguments:
            if command.name:
                parser.error(f"unrecognized argument {words[place]!r}")
            parser.error(
                f"there is no command {words[place]!r}; {suggest(words[place], program.commands_by_name)}"
            )
        for flag in flags:
            if flag not in command.all_flags:
                parser.error(f"unrecognized option {flag}{_advise_flag(program, command, flag)}")
            given.add(flag)
    return given


def _advise_flag(program: Program, command: Command, flag: str) -> str:
    owners = [f"`{program.call(other)}`" for other in program.everything if flag in other.all_flags]
    if owners:
        return f", which is for {' and '.join(owners)}"
    similar = find_similar(flag, command.all_flags)
    return "" if similar is None else f"; did you mean {similar}?"


def _make_parser(program: Program, command: Command) -> argparse.ArgumentParser:
    call = program.call(command)
    forms = [f"{call} {form}".rstrip() for form in command.forms]
    if not command.name:
        forms.append(f"{program.name} {'|'.join(program.commands_by_name)} ...")
    parser = _Parser(
        prog=call,
        usage="\n       ".join(forms).replace("%", "%%"),
        description=_describe(program, command),
        epilog=_fill(program.notes) if not command.name else None,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
        add_help=False,
    )
    for argument in command.arguments:
        _add_argument(parser, argument)
    adders = {"": parser.add_argument}
    for option in command.all_options:
        if option.group not in adders:
            adders[option.group] = parser.add_argument_group(option.group).add_argument
        _add_option(adders[option.group], option)
    return parser


def _add_argument(parser: argparse.ArgumentParser, argument: Argument) -> None:
    nargs = None if argument.is_required else "?"
    parser.add_argument(argument.field, metavar=argument.metavar, nargs=nargs, help=_escape(argument.help))


def _add_option(add: Callable[..., argparse.Action], option: Option) -> None:
    shared: dict[str, Any] = {"dest": option.field, "help": _escape(option.help), "default": option.default}
    if not option.takes_value:
        action = argparse.BooleanOptionalAction if option.is_negatable else "store_true"
        default = None if option.is_negatable else False
        add(*option.flags, **shared | {"action": action, "default": default})
        return
    value: dict[str, Any] = {"metavar": option.metavar, "type": option.parse}
    if option.is_repeatable:
        value |= {"action": "append", "default": []}
    add(*option.flags, **shared | value)
    if option.negation is not None:
        help_ = f"no {option.flags[-1]}, whatever the configuration says"
        add(option.negation, dest=option.field, action="store_const", const=False, help=help_)


def _escape(text: str) -> str:
    """Return a text that argparse shows as it is."""
    return text.replace("%", "%%")


def _describe(program: Program, command: Command) -> str:
    if command.name:
        return _fill(command.explanation)
    return f"{_fill(program.description)}\n\ncommands:\n{textwrap.indent(_format_commands(program), '  ')}"


def _format_commands(program: Program) -> str:
    width = max(map(len, program.commands_by_name))
    indent = " " * (width + 2)
    lines = [
        textwrap.fill(
            f"{name:{width}}  {command.summary}",
            width=_columns() - 2,  # for the indentation of all of them
            subsequent_indent=indent,
            break_on_hyphens=False,
        )
        for name, command in program.commands_by_name.items()
    ]
    return "\n".join(lines)


def _fill(text: str) -> str:
    return textwrap.fill(text, width=_columns(), break_on_hyphens=False)


def _columns() -> int:
    return max(40, shutil.get_terminal_size().columns - 2)
