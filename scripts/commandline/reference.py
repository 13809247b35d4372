"""The reference's pages that are made of the tables: each command with its options, each setting of the server."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from conductor_trio.commandline.table import HELP, VERSION, Argument, Command, Option, Program
from conductor_trio.configuration.settings import Section, Setting
from conductor_trio.configuration.toml_text import format_value

_MADE = "<!-- Made of the programs' own tables: python -m scripts.commandline -->"


def format_commands(programs: Iterable[Program]) -> str:
    """Return the page of all commands."""
    parts = [
        "# Commands",
        _MADE,
        f"Each knows `{VERSION.flags[-1]}` and `{HELP.flags[-1]}`, too. What the values mean at length is in "
        "[The client](client.md) and [The server](server.md).",
    ]
    for program in programs:
        parts.append(f"## {program.name}")
        for command in program.everything:
            parts += _format_command(program, command)
    return "\n\n".join(parts) + "\n"


def _format_command(program: Program, command: Command) -> Iterator[str]:
    known = set() if command is program.default else set(program.default.options)
    own = [option for option in command.options if option not in known]
    if command.name:
        yield f"### {program.call(command)}"
    forms = "\n".join(" ".join(f"{program.call(command)} {form}".split()) for form in command.forms)
    yield f"```text\n{forms}\n```"
    yield _prose(command.explanation)
    rows = [*map(_argument_row, command.arguments), *map(_option_row, own)]
    if rows:
        yield _table(rows)
    if len(own) < len(command.options) and command.name:
        yield f"And the options of `{program.name}` itself that concern it."


def _argument_row(argument: Argument) -> tuple[str, str]:
    return f"`{argument.metavar}`", _prose(argument.help)


def _option_row(option: Option) -> tuple[str, str]:
    flags = [f"{flag} {option.metavar}" if option.metavar else flag for flag in option.flags[-1:]]
    flags = [*option.flags[:-1], *flags, *([option.negation] if option.negation else [])]
    return ", ".join(f"`{flag}`" for flag in flags), _prose(option.help)


def format_settings_page(sections: Sequence[Section]) -> str:
    """Return the page of what the server's file can say."""
    parts = [
        "# Settings",
        _MADE,
        "What `/etc/conductor-trio/server.toml` can say. How it is applied, and what a mistake does, is in "
        "[The server](server.md#one-file).",
    ]
    for section in sections:
        if section.name:
            parts += [f"## `[{section.name}{'.NAME' if section.named else ''}]`", _prose(section.help)]
        parts.append(_table(map(_setting_row, section.settings), "key", "default, or an example", "option"))
    return "\n\n".join(parts) + "\n"


def _setting_row(setting: Setting) -> tuple[str, ...]:
    value = setting.example or format_value(setting.default)
    about = f"{setting.help[:1].upper()}{setting.help[1:]}. {setting.more}".strip()
    return f"`{setting.key}`", f"`{value}`", ", ".join(f"`{flag}`" for flag in setting.flags), _prose(about)


def _prose(text: str) -> str:
    """Return words of the tables as Markdown that shows them as they are."""
    parts = text.split("`")
    parts[::2] = [part.translate({ord(sign): f"\\{sign}" for sign in "*_<>[]{}"}) for part in parts[::2]]
    return "`".join(parts)


def _table(rows: Iterable[tuple[str, ...]], *heads: str) -> str:
    lines = [" ".join(f"| {cell.replace('|', chr(92) + '|')}" for cell in row) + " |" for row in rows]
    columns = lines[0].count(" | ") + 1
    return "\n".join(
        [f"| {' | '.join([*heads, *[''] * (columns - len(heads))])} |", "|---" * columns + "|", *lines]
    )
