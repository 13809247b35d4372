"""The commands that every program has: ``help`` and ``completion``."""

from __future__ import annotations

from conductor_trio.commandline.completion import SHELLS, format_completion
from conductor_trio.commandline.parser import Invocation, format_help
from conductor_trio.commandline.suggest import suggest
from conductor_trio.commandline.table import Argument, Command, Kind, Program, Words

HELP_COMMAND = Command(
    name="help",
    summary="explain the program, or one of its commands",
    forms=("[COMMAND]",),
    arguments=(Argument(field="command", metavar="COMMAND", help="a command's name", values=Kind.COMMAND),),
)
COMPLETION_COMMAND = Command(
    name="completion",
    summary="print the completion of this command line for a shell",
    description="Print the completion of this command line for bash, fish or zsh, to be sourced by the shell or "
    "kept in a file; its first lines say where.",
    forms=("SHELL",),
    arguments=(
        Argument(field="shell", metavar="SHELL", help="bash, fish or zsh", values=Words(SHELLS), is_required=True),
    ),
)


def run_standard(program: Program, invocation: Invocation) -> str | None:
    """Return what ``help`` or ``completion`` prints, or None where it is another command."""
    given = invocation.given
    if invocation.command is HELP_COMMAND:
        if given.command is None:
            return format_help(program, program.default)
        command = program.commands_by_name.get(given.command)
        if command is None:
            invocation.fail(
                f"there is no command {given.command!r}; {suggest(given.command, program.commands_by_name)}"
            )
        return format_help(program, command)
    if invocation.command is COMPLETION_COMMAND:
        if given.shell not in SHELLS:
            invocation.fail(f"there is no completion for {given.shell!r}; {suggest(given.shell, SHELLS)}")
        return format_completion(program, given.shell)
    return None
