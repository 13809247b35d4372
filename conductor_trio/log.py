"""The server's structured log on standard error. Tokens, cookies and targets never get this far.

One JSON object a line where a program reads it (standard error is no terminal, or ``-v``), coloured columns
for people. The client logs through the standard library instead, because structlog is slow to import there.
"""

from __future__ import annotations

import contextlib
import io
import logging
import sys
from typing import Any, TextIO, cast

import structlog

Logger = structlog.typing.FilteringBoundLogger


class _StandardError(io.TextIOBase):
    """Standard error, where what cannot be written is lost: a log without a reader is no reason to end."""

    def write(self, text: str) -> int:
        with contextlib.suppress(OSError):
            sys.stderr.write(text)
        return len(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError):
            sys.stderr.flush()


def configure(*, verbose: bool) -> None:
    """Set up the process's log once, at the start."""
    readable = sys.stderr.isatty() and not verbose
    renderer: structlog.typing.Processor = (
        # As literals, since what a peer sent must not command the terminal.
        # Tracebacks stay plain: rich, where it is installed, would show variables, and with them secrets.
        structlog.dev.ConsoleRenderer(repr_native_str=True, exception_formatter=structlog.dev.plain_traceback)
        if readable
        else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG if verbose else logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(file=cast(TextIO, _StandardError())),
        cache_logger_on_first_use=False,
    )


def get_logger(**bound: Any) -> Logger:
    """Return a logger that adds `bound` to everything it says."""
    logger: Logger = structlog.get_logger(**bound)
    return logger
