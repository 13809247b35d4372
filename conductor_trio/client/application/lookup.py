"""Looking the program up before anybody has to log in, and what was meant where there is none of that name."""

from __future__ import annotations

import contextlib
import errno
import os
import shlex
import shutil
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from conductor_trio import exit_status
from conductor_trio.client.config.placeholders import find_placeholders
from conductor_trio.client.config.settings import ClientSettings
from conductor_trio.commandline.suggest import find_similar
from conductor_trio.errors import ApplicationError, ConductorError

if TYPE_CHECKING:
    from conductor_trio.client.config.recipes import Recipe


def look_up(program: str, environment: Mapping[str, str]) -> None:
    """Raise `ApplicationError` where exec() would not find a program, or would not be allowed to start it."""
    if find_placeholders([program]):
        return
    failure = errno.ENOENT
    for path in _list_places(program, environment):
        if os.path.isfile(path) and os.access(path, os.X_OK):
            return
        if os.path.exists(path):
            failure = errno.EACCES
    status = exit_status.NOT_FOUND if failure == errno.ENOENT else exit_status.NOT_EXECUTABLE
    raise ApplicationError(f"cannot start {program}: {os.strerror(failure)}", status=status)


def add_advice(error: ConductorError, settings: ClientSettings, environment: Mapping[str, str]) -> ConductorError:
    """Return the error, with advice where the program was not found."""
    if not isinstance(error, ApplicationError) or error.status != exit_status.NOT_FOUND:
        return error
    advice = advise_on_missing(settings, environment)
    return ApplicationError(error.what, advice=advice, status=error.status)


def advise_on_missing(settings: ClientSettings, environment: Mapping[str, str]) -> str | None:
    """Return what may have been meant by a command whose program was not found."""
    command = settings.launch.command
    if settings.local_socket is not None:
        words = [settings.local_socket, *command]
        if "/" not in words[0] and shutil.which(words[0]) is not None:
            return f"to start `{shlex.join(words)}`, without LOCAL_SOCKET, write -- before it"
        return suggest_program(command, environment, {})
    from conductor_trio.client.config.files import load_config  # 5 ms that nobody else needs here

    return suggest_program(command, environment, load_config(environment).recipes)


def suggest_program(
    command: tuple[str, ...], environment: Mapping[str, str], recipes: Mapping[str, Recipe]
) -> str | None:
    """Return advice on a command whose program was not found on the PATH, among programs and recipes."""
    program = command[0]
    if "/" in program:
        return None
    if program in recipes:
        return f"the recipe of that name is started by `conductor-trio run {shlex.join(command)}`"
    known = {words[0] for recipe in recipes.values() for words in (*recipe.match, recipe.command)}
    if program in known:
        return "load its module, or activate its environment, first"
    similar = find_similar(program, known) or find_similar(program, _list_programs(environment))
    return f"did you mean {similar}?" if similar else None


def _list_places(program: str, environment: Mapping[str, str]) -> list[str]:
    if "/" in program:
        return [program]
    return [os.path.join(directory, program) for directory in os.get_exec_path(environment)]


def _list_programs(environment: Mapping[str, str]) -> Iterable[str]:
    names: set[str] = set()
    for directory in os.get_exec_path(environment):
        with contextlib.suppress(OSError):
            names.update(os.listdir(directory))
    return names
