"""The server's structured log on standard error. Tokens, cookies and targets never get this far.

One JSON object a line where a program reads it (standard error is no terminal, or ``-v``), coloured columns
for people. The client logs through the standard library instead, because structlog is slow to import there.
"""

from __future__ import annotations

import logging
import sys
from typing import Any

import structlog

Logger = structlog.typing.FilteringBoundLogger


def configure(*, verbose: bool) -> None:
    """Set up the process's log once, at the start."""
    readable = sys.stderr.isatty() and not verbose
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer() if readable else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG if verbose else logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=False,
    )


def get_logger(**bound: Any) -> Logger:
    """Return a logger that adds `bound` to everything it says."""
    logger: Logger = structlog.get_logger(**bound)
    return logger
