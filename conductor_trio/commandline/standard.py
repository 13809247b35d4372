"""The commands that every program has: ``help``, ``completion`` and ``files``."""

from __future__ import annotations

from conductor_trio.commandline.completion import SHELLS, format_completion
from conductor_trio.commandline.parser import Invocation, format_help
from conductor_trio.commandline.suggest import suggest
from conductor_trio.commandline.table import Argument, Command, Kind, Option, Program, Words

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
FILES_COMMAND = Command(
    name="files",
    summary="list the files that come with the program, print one, or install them",
    description="List the files that come with the program (manual page, completions, units, examples) and where "
    "each belongs; print the one of that name; or write all of them to where they belong.",
    forms=("[NAME]", "--install DIR [--program PATH]"),
    options=(
        Option(
            flags=("--install",),
            field="install",
            metavar="DIR",
            values=Kind.DIRECTORY,
            help="write them below this directory, such as /usr/local",
        ),
        Option(
            flags=("--program",),
            field="program",
            metavar="PATH",
            values=Kind.FILE,
            help="where the program will be, for the units; where it is now if not given",
        ),
    ),
    arguments=(Argument(field="name", metavar="NAME", help="a file's name"),),
)


def run_standard(program: Program, invocation: Invocation) -> str | None:
    """Return what ``help``, ``completion`` or ``files`` prints, or None where it is another command."""
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
    if invocation.command is FILES_COMMAND:
        return _run_files(program, invocation)
    return None


def _run_files(program: Program, invocation: Invocation) -> str:
    # Imported only now: `--help` does without what reads the package's files.
    from conductor_trio.commandline.files import install_shipped, list_shipped, own_path, read_shipped

    given = invocation.given
    path = given.program or own_path(program)
    if given.install is not None:
        if given.name is not None:
            invocation.fail(f"--install writes all files; leave out {given.name!r}")
        return install_shipped(program, given.install, path)
    return list_shipped(program) if given.name is None else read_shipped(program, given.name, path)
