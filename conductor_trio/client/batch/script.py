"""The script that a batch job runs: the client, with the files of the job."""

from __future__ import annotations

import os
import shlex
import sys
import zipfile
from collections.abc import Sequence

_SCRIPT = """\
#!/bin/sh
# Written by `conductor-trio submit`. Where the batch system requeues the job, this runs again, and the address and
# the token are the same.
cd -- {cwd} || exit 1
if ! [ -r {token} ]; then
    echo "{directory} is not to be seen on $(hostname): name a directory that all nodes share" >&2
    exit 1
fi
exec >>{log} 2>&1 </dev/null
exec {command}
"""


def own_command() -> list[str]:
    """Return the words that start this program again, on another host that sees the same files."""
    started = os.path.abspath(sys.argv[0])
    if zipfile.is_zipfile(started):  # all of it in one file
        return [sys.executable, started]
    return [sys.executable, "-P", "-m", "conductor_trio.client"]


def format_script(*, directory: str, token: str, log: str, cwd: str, command: Sequence[str]) -> str:
    """Return the script of a job whose files are in `directory`."""
    return _SCRIPT.format(
        cwd=shlex.quote(cwd),
        directory=_in_quotes(directory),
        token=shlex.quote(token),
        log=shlex.quote(log),
        command=shlex.join(command),
    )


def _in_quotes(text: str) -> str:
    """Return a text for sh(1) between double quotes."""
    return "".join(f"\\{letter}" if letter in '"\\$`' else letter for letter in text)
