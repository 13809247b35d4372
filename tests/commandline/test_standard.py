"""``help`` and ``completion``, which both programs have."""

from __future__ import annotations

import pytest

from conductor_trio.client.cli.table import CLIENT, LS
from conductor_trio.commandline.completion import SHELLS, format_completion
from conductor_trio.commandline.parser import format_help, parse
from conductor_trio.commandline.standard import run_standard
from conductor_trio.commandline.table import Program
from conductor_trio.server.cli.table import SERVER

by_program = pytest.mark.parametrize("program", [CLIENT, SERVER], ids=lambda program: program.name)


def run(program: Program, *words: str) -> str | None:
    return run_standard(program, parse(program, words))


@by_program
def test_help_explains_the_program_or_a_command(program: Program) -> None:
    assert run(program, "help") == format_help(program, program.default)
    for name, command in program.commands_by_name.items():
        assert name in format_help(program, program.default)
        assert run(program, "help", name) == format_help(program, command)


@by_program
def test_completion_is_printed_for_each_shell(program: Program) -> None:
    assert set(SHELLS) == {"bash", "fish", "zsh"}
    for shell in SHELLS:
        assert run(program, "completion", shell) == format_completion(program, shell)


def test_other_commands_are_left_to_others() -> None:
    assert parse(CLIENT, ["ls"]).command is LS
    assert run(CLIENT, "ls") is None


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["help", "lss"], "there is no command 'lss'; did you mean ls?"),
        (["help", "gw"], "there is no command 'gw'; there is: "),
        (["completion", "bsh"], "there is no completion for 'bsh'; did you mean bash?"),
        (["completion", "tcsh"], "there is no completion for 'tcsh'; there is: bash, fish, zsh"),
        (["completion"], "required: SHELL"),
    ],
)
def test_unknown_words_are_told(words: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        run(CLIENT, *words)
    assert caught.value.code == 2
    assert says in capsys.readouterr().err
