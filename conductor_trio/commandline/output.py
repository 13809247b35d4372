"""Standard output: there is one, and what commands print that end after it."""

from __future__ import annotations

import contextlib
import os
import sys

from conductor_trio.errors import ConductorError


def fill_standard_descriptors() -> None:
    """Descriptors 0 to 2 are open, so that nothing that we open later becomes standard output by accident."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(descriptor)


def write_output(text: str) -> None:
    """Write a text at once; raises BrokenPipeError where its reader has seen enough, as in ``ls | head``.

    Where it cannot be written for another reason, raises `ConductorError`.
    """
    try:
        with contextlib.suppress(AttributeError):  # where there is no standard output
            encoding = sys.stdout.encoding
            # Names of others are in it, which need not fit the locale's encoding.
            sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding))
            sys.stdout.flush()
    except OSError as error:
        # What is still buffered goes nowhere, so that the interpreter does not complain about it at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            raise
        raise ConductorError(f"cannot write to standard output: {error.strerror}") from error
