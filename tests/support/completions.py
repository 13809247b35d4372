"""What a completion has to offer, whichever shell it is for, and how a shell is asked."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from conductor_trio.client.cli.table import CLIENT
from conductor_trio.commandline.completion import format_completion
from conductor_trio.server.cli.table import SERVER
from tests.support.programs import OWN_PYTHON

#: Words of a command line, the last of which is completed, and what is offered, sorted.
OFFERS = [
    (["conductor-trio", "--ver"], ["--verbose", "--version"]),
    (
        ["conductor-trio", "--no"],
        ["--no-busy", "--no-idle", "--no-json", "--no-open", "--no-qr", "--no-recipe", "--no-tcp-shared"],
    ),
    (["conductor-trio", "recip"], ["recipes"]),
    (["conductor-trio", "-v", "sto"], ["stop"]),
    (["conductor-trio", "share", "--l"], ["--label", "--list"]),
    (["conductor-trio", "-v", "share", "--l"], ["--label", "--list"]),
    (["conductor-trio", "stop", "--"], ["--help", "--json", "--verbose", "--version"]),
    (["conductor-trio", "run", "--se"], ["--server"]),
    (["conductor-trio", "run", "jupyterl"], ["jupyterlab"]),
    (["conductor-trio", "run", "-s", "gw", "jupyterl"], ["jupyterlab"]),
    (["conductor-trio", "run", "jupyterlab", "/proc/self/limi"], ["/proc/self/limits"]),
    (["conductor-trio", "recipes", "jupyterl"], ["jupyterlab"]),
    (["conductor-trio", "help", "rec"], ["recipes"]),
    (["conductor-trio", "completion", ""], ["bash", "fish", "zsh"]),
    (["conductor-trio", "-k", "recip"], []),
    (["conductor-trio", "share", "lab", "--for", ""], []),
    (["conductor-trio", "gw", "/usr/bin/conduc"], []),
    (["conductor-trio", "gw", "/proc/self/stat"], ["/proc/self/stat", "/proc/self/statm", "/proc/self/status"]),
    (["conductor-trio", "gw", "/s", "--", "cat", "/proc/self/limi"], ["/proc/self/limits"]),
    (["conductor-trio", "gw", "/s", "cat", "/proc/self/limi"], ["/proc/self/limits"]),
    (["conductor-trio", "gw", "--", "cat", "/proc/self/limi"], ["/proc/self/limits"]),
    (["conductor-trio", "gw", "--", "conductor-trio-s"], ["conductor-trio-server"]),
    (["conductor-trio", "doctor", "gw", "/proc/self/limi"], ["/proc/self/limits"]),
    (["conductor-trio-server", "--ssl-k"], ["--ssl-key-file"]),
    (["conductor-trio-server", "check", "--ssl-k"], ["--ssl-key-file"]),
    (["conductor-trio-server", "che"], ["check"]),
    (["conductor-trio-server", "-s", "/proc/self/limi"], ["/proc/self/limits"]),
    (["conductor-trio-server", "--grace", ""], []),
]
by_offer = pytest.mark.parametrize(("words", "offered"), OFFERS, ids=[" ".join(words) for words, _ in OFFERS])

_ENVIRONMENT = {"PATH": f"{OWN_PYTHON.parent}:/usr/bin:/bin", "HOME": "/nonexistent", "TERM": "xterm"}
_PROGRAMS = {program.name: program for program in (CLIENT, SERVER)}


def write_completion(program: str, shell: str, path: Path) -> Path:
    """Write the completion of a program to a file."""
    path.write_text(format_completion(_PROGRAMS[program], shell))
    return path


#: What a shell finds in the place of the program that it asks for sessions.
_TWO_SESSIONS = """\
#!/bin/sh
[ "$*" = 'ls --keys' ] || exit 1
printf '%s\\n' 'lab      JupyterLab on node-17' 'lab-2    python: a, queued' 'rstudio  RStudio on node-3'
"""
#: What it offers for ``stop la`` then, and what stands beside each.
TWO_SESSIONS = {"lab": "JupyterLab on node-17", "lab-2": "python: a, queued"}


def make_sessions(directory: Path) -> Path:
    """Have a shell that searches this directory find sessions to complete; returns it."""
    directory.mkdir()
    (directory / "conductor-trio").write_text(_TWO_SESSIONS)
    (directory / "conductor-trio").chmod(0o755)
    return directory


def ask_shell(*command: str, programs: Path | None = None) -> list[str]:
    """Return the lines that a shell prints, which has nothing to complain about; it searches `programs` first."""
    environment = dict(_ENVIRONMENT)
    if programs is not None:
        environment["PATH"] = f"{programs}:{environment['PATH']}"
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True, env=environment)
    assert done.stderr == ""
    return done.stdout.split("\n")[:-1]
