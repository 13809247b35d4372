"""A reader that has seen enough is no traceback."""

from __future__ import annotations

import os
import subprocess

import pytest

from tests.support.programs import OWN_PYTHON


@pytest.mark.parametrize(
    "words",
    [
        ["conductor-trio", "--help"],
        ["conductor-trio", "help", "share"],
        ["conductor-trio", "recipes"],
        ["conductor-trio", "completion", "bash"],
        ["conductor-trio-server", "check", "-r", "/nonexistent/run"],
        ["conductor-trio-server", "--version"],
    ],
)
def test_a_closed_pipe(words: list[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    program, *arguments = words
    done = subprocess.run(
        [OWN_PYTHON.with_name(program), *arguments],
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
        timeout=20,
        check=False,
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (1, "")
