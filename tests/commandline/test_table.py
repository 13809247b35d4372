"""The tables of both programs: what has to hold of them so that one parser reads them."""

from __future__ import annotations

import pytest

from conductor_trio.client.cli.table import CLIENT
from conductor_trio.commandline.table import Command, Option, Program
from conductor_trio.server.cli.table import SERVER

by_program = pytest.mark.parametrize("program", [CLIENT, SERVER], ids=lambda program: program.name)
by_command = pytest.mark.parametrize(
    ("program", "command"),
    [(program, command) for program in (CLIENT, SERVER) for command in program.everything],
    ids=lambda value: value.name or "default",
)


@by_program
def test_a_flag_takes_a_value_everywhere_or_nowhere(program: Program) -> None:
    """Or a command's name could not be told from the value of an option before it."""
    kinds: dict[str, set[bool]] = {}
    for command in program.everything:
        for flag, option in command.options_by_flag.items():
            kinds.setdefault(flag, set()).add(option.takes_value)
    assert not [flag for flag, kind in kinds.items() if len(kind) > 1]


@by_command
def test_each_flag_and_field_is_one_options(program: Program, command: Command) -> None:
    flags = command.all_flags
    assert len(set(flags)) == len(flags)
    fields = [option.field for option in command.all_options] + [argument.field for argument in command.arguments]
    assert len(set(fields)) == len(fields)


@by_command
def test_each_is_explained(program: Program, command: Command) -> None:
    assert command.forms
    assert command.explanation.endswith(".")
    assert not command.summary.endswith(".")
    helps = [option.help for option in command.all_options] + [argument.help for argument in command.arguments]
    assert not [text for text in helps if not text or text.endswith(".")]


@by_command
def test_only_a_last_argument_may_be_left_out(program: Program, command: Command) -> None:
    needed = [argument.is_required for argument in command.arguments]
    assert needed == sorted(needed, reverse=True)


def test_the_flags_of_an_option() -> None:
    option = Option(flags=("-q", "--qr"), field="qr", help="", is_negatable=True)
    assert (option.negation, option.all_flags) == ("--no-qr", ("-q", "--qr", "--no-qr"))
    assert not option.takes_value


def test_how_a_command_is_called() -> None:
    assert [SERVER.call(command) for command in SERVER.everything[:2]] == [SERVER.name, f"{SERVER.name} ls"]
