"""Ctrl-C while a program starts: no traceback, whatever is being imported, and the status that is documented."""

from __future__ import annotations

import fcntl
import signal
import subprocess
import sys
from pathlib import Path

import pytest

START = ("conductor_trio", "/no/such/gateway", "app.sock", "--", "sleep", "1000")
LIST = ("conductor_trio", "ls", "/no/such/gateway")
IGNORING = ("/bin/sh", "-c", 'trap "" INT; exec "$@"', "sh")
SERVE = ("conductor_trio.server", "-r", "run", "-p", "0", "-d", "{key}.localhost")


def interrupt_import(module: str, words: tuple[str, ...], directory: Path, *prefix: str) -> tuple[int, str]:
    """Return the exit status and what was said, but for the imports, of a program interrupted after one of them.

    It cannot import fifty more before it gets the signal, because nobody reads what it says of its imports.
    """
    command = [*prefix, sys.executable, "-X", "importtime", "-m", *words]
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=directory, bufsize=0
    )
    with process:
        assert process.stderr is not None
        fcntl.fcntl(process.stderr, fcntl.F_SETPIPE_SZ, 4096)
        for line in process.stderr:
            if line.split(b"|")[-1].strip() == module.encode():
                process.send_signal(signal.SIGINT)
                break
        else:
            raise AssertionError(f"{module} is not imported")
        rest = process.stderr.read().decode()
    return process.returncode, "".join(
        line for line in rest.splitlines(keepends=True) if not line.startswith("import time:")
    )


@pytest.mark.parametrize(
    ("words", "module", "status"),
    [
        (START, "argparse", 0),
        (START, "attr._make", 0),
        (START, "conductor_trio.client.cli.table", 0),
        (START, "trio._core._run", 0),
        (START, "conductor_trio.net.stream", 0),
        (LIST, "argparse", 130),
        (LIST, "trio._core._run", 130),
        (SERVE, "argparse", 0),
        (SERVE, "trio._core._run", 0),
        (SERVE, "conductor_trio.server.proxy.upstream", 0),
    ],
)
def test_nothing_is_said_while_modules_are_imported(
    words: tuple[str, ...], module: str, status: int, tmp_path: Path
) -> None:
    returncode, said = interrupt_import(module, words, tmp_path)
    assert (returncode, said) == (status, "")


def test_who_ignores_ctrl_c_goes_on_ignoring_it(tmp_path: Path) -> None:
    returncode, said = interrupt_import("argparse", LIST, tmp_path, *IGNORING)
    assert returncode == 1
    assert "no conductor-trio-server at /no/such/gateway" in said
