"""What people call an application, and the command that they know it by, without the secrets in it."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Sequence

from conductor_trio.limits.constants import MAX_APPLICATION_NAME, MAX_COMMAND

_INTERPRETER = re.compile(r"(?:env|sh|bash|zsh|python[0-9.]*|node|ruby|perl|Rscript|julia|java|exec|nice|time)")
_SECRET = re.compile(r"token|passw|secret|api.?key|credential|\bauth\b", re.IGNORECASE)
_HIDDEN = "…"


def name_application(command: Sequence[str], description: str = "") -> str:
    """Return the name: what a recipe says the application is, or else its program's, whatever runs that."""
    described = re.split("[:,]", description)[0].strip()
    return (described or _name_program(command))[:MAX_APPLICATION_NAME]


def describe_command(command: Sequence[str]) -> str:
    """Return the command as a shell has it, as much of it as people are shown, without passwords and tokens."""
    shown: list[str] = []
    is_secret = False
    for word in command:
        name, equals, _ = word.partition("=")
        if is_secret and not word.startswith("-"):
            word = _HIDDEN
        elif equals and _SECRET.search(name):
            word = name + equals + _HIDDEN
        is_secret = word.startswith("-") and not equals and _SECRET.search(word) is not None
        shown.append(word if word.endswith(_HIDDEN) else shlex.quote(word))
    text = " ".join(" ".join(shown).split())  # scripts have lines
    return text if len(text) <= MAX_COMMAND else text[: MAX_COMMAND - 1] + _HIDDEN


def _name_program(command: Sequence[str]) -> str:
    names = [os.path.basename(word) for word in command if not re.match(r"-|\w+=\S*$", word)]
    own = next((name for name in names if not _INTERPRETER.fullmatch(name)), "")
    # What a shell is to run is no name.
    return own if own and not re.search(r"\s", own) else next(iter(names), "")
