"""Standard output of commands that print something and end."""

from __future__ import annotations

import os
import sys

from conductor_trio import exit_status


def write_output(text: str) -> None:
    """Write at once; raises BrokenPipeError where nobody reads any more."""
    sys.stdout.write(text)
    sys.stdout.flush()


def end_unread() -> int:
    """Return the exit status of a program whose reader has seen enough, as in ``ls | head``."""
    # What is still buffered goes nowhere, so that the interpreter does not complain about it at its end.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return exit_status.FAILED
