"""The server's structured log on standard error. Tokens, cookies and targets never get this far.

One JSON object a line where a program reads it (standard error is no terminal, or ``-v``), coloured columns
for people; where it is the journal, that gets the same line with its priority and fields. The client logs
through the standard library instead, because structlog is slow to import there.

Nobody waits for whoever reads it (`line_writer`), and what one account causes again and again does not fill it
(`line_rate`): ``more_like_it`` tells, a minute later, of which ``event`` how many more there were.
"""

from __future__ import annotations

import atexit
import logging
import math
import os
import threading
import time
from collections.abc import Callable, MutableMapping
from typing import Any, TextIO, cast

import structlog

from conductor_trio.journal import JOURNAL_SOCKET, JournalWriter, is_journal
from conductor_trio.line_rate import LineKind, LineRate
from conductor_trio.line_writer import LineWriter
from conductor_trio.printable import escape

Logger = structlog.typing.FilteringBoundLogger

_STDERR = 2

#: The fields that say who has caused a line, the most telling first.
_ACCOUNTS = ("user", "uid", "address", "host")
_MORE = "more_like_it"
#: What the operator does is told each time: it is what an audit goes by.
OPERATOR = "operator_"


def configure(*, verbose: bool) -> None:
    """Set up the process's log once, at the start."""
    readable = os.isatty(_STDERR) and not verbose
    renderer: structlog.typing.Processor = (
        # As literals, since what a peer sent must not command the terminal.
        # Tracebacks stay plain: rich, where it is installed, would show variables, and with them secrets.
        structlog.dev.ConsoleRenderer(repr_native_str=True, exception_formatter=structlog.dev.plain_traceback)
        if readable
        else structlog.processors.JSONRenderer()
    )
    writer: LineWriter
    last: structlog.typing.Processor
    factory: Callable[..., Any]

    def format_loss(lost: int) -> str:
        return _format_loss(lost, renderer)

    if is_journal(_STDERR, os.environ.get("JOURNAL_STREAM")) and os.path.exists(JOURNAL_SOCKET):
        writer = journal = JournalWriter(format_loss)
        factory, last = (lambda *_: _JournalLogger(journal, renderer)), _keep_fields
    else:
        writer, last = LineWriter(_STDERR, format_loss), renderer
        factory = structlog.WriteLoggerFactory(file=cast(TextIO, writer))
    _writers.append(writer)
    rated = _Rated(writer)
    structlog.configure(
        processors=[
            rated,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            *([_escape_traceback] if readable else []),
            last,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG if verbose else logging.INFO),
        logger_factory=factory,
        cache_logger_on_first_use=False,
    )
    atexit.register(writer.close)
    atexit.register(rated.tell_all)  # which is called before


def get_logger(**bound: Any) -> Logger:
    """Return a logger that adds `bound` to everything it says."""
    logger: Logger = structlog.get_logger(**bound)
    return logger


def lost_lines() -> int:
    """Return how many lines were lost since the start."""
    return sum(writer.lost for writer in _writers)


_writers: list[LineWriter] = []  # the process's one, once it is set up


class _JournalLogger:
    """Has the journal keep an entry's fields and priority, beside the line that others get."""

    def __init__(self, journal: JournalWriter, renderer: structlog.typing.Processor) -> None:
        self._journal = journal
        self._renderer = renderer

    def msg(self, **entry: Any) -> None:
        """Send an entry."""
        level = entry["level"]
        text = str(self._renderer(self, level, dict(entry)))
        self._journal.send(text, _PRIORITIES[level], {"log": "server", **entry})

    debug = info = warning = error = critical = exception = msg


#: The journal's, from syslog(3).
_PRIORITIES = {"debug": 7, "info": 6, "warning": 4, "error": 3, "critical": 2}


def _keep_fields(_: Any, __: str, entry: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Go on with the entry itself."""
    return entry


class _Rated:
    """Withholds what is beyond the rate, and has the writer tell of it; threads may take turns."""

    def __init__(self, writer: LineWriter) -> None:
        self._writer = writer
        self._rate = LineRate()
        self._lock = threading.Lock()

    def __call__(self, logger: Any, method: str, entry: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        if entry["event"] == _MORE or str(entry["event"]).startswith(OPERATOR):
            return entry
        now = time.monotonic()
        with self._lock:
            due = self._rate.take_due(now)
            is_admitted = self._rate.admit(_kind_of(entry), now)
            due_at = self._rate.due_at
        _tell_of(due)
        if not is_admitted:
            self._writer.call_at(due_at, self._tell_due)
            raise structlog.DropEvent
        return entry

    def _tell_due(self) -> None:
        """Tell what was withheld in windows that are over."""
        with self._lock:
            due = self._rate.take_due(time.monotonic())
            due_at = self._rate.due_at
        if due_at < math.inf:
            self._writer.call_at(due_at, self._tell_due)
        _tell_of(due)

    def tell_all(self) -> None:
        """Tell all that was withheld."""
        with self._lock:
            due = self._rate.take_due(math.inf)
        _tell_of(due)


def _kind_of(entry: MutableMapping[str, Any]) -> LineKind:
    account = next(((name, entry[name]) for name in _ACCOUNTS if name in entry), None)
    return LineKind(str(entry["event"]), account)


def _tell_of(due: list[tuple[LineKind, int]]) -> None:
    for kind, count in due:
        who = {} if kind.account is None else {kind.account[0]: kind.account[1]}
        text = f"... and {count} more like it in the last minute"
        structlog.get_logger().info(_MORE, kind=kind.event, count=count, text=text, **who)


def _format_loss(lost: int, renderer: structlog.typing.Processor) -> str:
    """Return the line that tells of lines that nobody took in time."""
    entry = {"event": "log_lines_lost", "count": lost, "text": f"{lost} lines lost", "level": "warning"}
    stamped = structlog.processors.TimeStamper(fmt="iso", utc=True)(None, "warning", entry)
    return str(renderer(None, "warning", stamped)) + "\n"


def _escape_traceback(_: Any, __: str, entry: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """An exception's words may hold what a peer sent."""
    if isinstance(traceback := entry.get("exception"), str):
        entry["exception"] = escape(traceback, keep="\n")
    return entry
