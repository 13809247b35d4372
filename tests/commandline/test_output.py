"""What cannot be written is no traceback."""

from __future__ import annotations

import os
import subprocess

import pytest

from tests.support.programs import OWN_PYTHON

by_words = pytest.mark.parametrize(
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


def run(words: list[str], output: str) -> tuple[int, str]:
    """Return the exit status and what is said on standard error, with that redirection of standard output."""
    program, *arguments = words
    command = ["/bin/sh", "-c", f'exec "$@" {output}', "sh", str(OWN_PYTHON.with_name(program)), *arguments]
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True, timeout=20, check=False)
    return done.returncode, done.stderr


@by_words
def test_a_reader_that_has_seen_enough(words: list[str]) -> None:
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


@by_words
def test_a_full_disk(words: list[str]) -> None:
    status, said = run(words, ">/dev/full")
    assert (status, said) == (1, f"{words[0]}: cannot write to standard output: No space left on device\n")


@by_words
def test_no_standard_output(words: list[str]) -> None:
    assert run(words, ">&-")[1] == ""


def test_what_does_not_fit_the_encoding_is_written_as_a_literal() -> None:
    program = "from conductor_trio.commandline.output import write_output; write_output('\\u00e9 \\ud800\\n')"
    for encoding, expected in (("ascii", b"\\xe9 \\ud800\n"), ("utf-8", b"\xc3\xa9 \\ud800\n")):
        environment = {"PYTHONIOENCODING": encoding}
        done = subprocess.run([OWN_PYTHON, "-c", program], capture_output=True, env=environment, check=True)
        assert done.stdout == expected
