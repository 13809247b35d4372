"""The completion of a program's command line, made of its table: a module for each shell.

All three work alike: they find the command among the words before the cursor, and how many words stand behind it,
and offer what belongs there. Where the words of another program begin, they leave it to that one's completion.

May import `commandline` only. Never here: anything that depends on one program.

Begin with `bash`.
"""

from __future__ import annotations

from conductor_trio.commandline.table import Program

SHELLS = ("bash", "fish", "zsh")


def format_completion(program: Program, shell: str) -> str:
    """Return the text of a file for a shell."""
    from conductor_trio.commandline.completion import bash, fish, zsh  # which no other command needs

    formatters = {"bash": bash.format_bash, "fish": fish.format_fish, "zsh": zsh.format_zsh}
    return formatters[shell](program)
