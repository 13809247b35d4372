"""The files that come with a program: listed, printed, or written to where they belong."""

from __future__ import annotations

import os
import sys

from conductor_trio.commandline.shipped import read_file
from conductor_trio.commandline.suggest import suggest
from conductor_trio.commandline.table import Program, Shipped
from conductor_trio.errors import ConductorError, ConfigError

#: Where the units say that the program is, unless told otherwise.
_UNITS_PROGRAMS = "/opt/conductor-trio/bin/"


def list_shipped(program: Program) -> str:
    """Return a line for each file: how it is asked for, and where it belongs."""
    width = max(len(file.name) for file in program.files)
    return "".join(f"{file.name:{width}}  {file.place}\n" for file in program.files)


def read_shipped(program: Program, name: str, path: str) -> str:
    """Return a file's text, for a program at `path`; raises `ConfigError` for a name that there is not."""
    by_name = {file.name: file for file in program.files}
    if name not in by_name:
        raise ConfigError(f"there is no file {name!r}; {suggest(name, by_name)}")
    return _read(program, by_name[name], path)


def install_shipped(program: Program, prefix: str, path: str) -> str:
    """Write all files to where they belong below `prefix`, and return their paths, a line each.

    Raises `ConductorError` where one cannot be written.
    """
    written = []
    for file in program.files:
        target, text = os.path.join(prefix, file.place), _read(program, file, path)
        try:
            os.makedirs(os.path.dirname(target), exist_ok=True)
            with open(target, "w", encoding="utf-8") as stream:
                stream.write(text)
                if text.startswith("#!"):
                    os.fchmod(stream.fileno(), 0o755)
        except OSError as error:
            raise ConductorError(f"cannot write {target}: {error.strerror}") from error
        written.append(f"{target}\n")
    return "".join(written)


def own_path(program: Program) -> str:
    """Return the path of the program that runs."""
    path = os.path.abspath(sys.argv[0])
    if os.path.basename(path) == "__main__.py":  # by python -m
        return os.path.join(os.path.dirname(sys.executable), program.name)
    return path


def _read(program: Program, file: Shipped, path: str) -> str:
    return read_file(f"contrib/{file.name}").replace(f"{_UNITS_PROGRAMS}{program.name}", path)
