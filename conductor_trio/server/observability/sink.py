"""Sinks of the access log and the audit log: a file that can be opened anew, or the journal.

Nobody waits for the disk: one thread for each writes what is queued, and what does not fit is counted as lost and
told.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Protocol

from conductor_trio.errors import StartError
from conductor_trio.journal import JournalWriter
from conductor_trio.limits.constants import LINES_GATHER_TIME, MAX_LOG_WRITTEN, MAX_QUEUED_LOG
from conductor_trio.line_writer import LineWriter
from conductor_trio.log import Logger
from conductor_trio.server.settings import JOURNAL

_MODE = 0o640  # for the administrators' group, as other logs
_INFO = 6

Format = Callable[[Mapping[str, object]], str]


class Sink(Protocol):
    """Where the lines of one log go."""

    def write(self, fields: Mapping[str, object]) -> None:
        """Queue a line."""

    @property
    def lost(self) -> int:
        """How many lines were lost since the start."""


class _QueuedSink:
    """What all sinks do: they queue for the thread of their writer, and tell in the server's log what was lost."""

    _writer: LineWriter

    def __init__(self, name: str, format_line: Format, log: Logger, **place: str) -> None:
        self._name = name
        self._format = format_line
        self._log = log
        self._place = place  # where the lines would have gone, for people

    @property
    def lost(self) -> int:
        """How many lines were lost since the start."""
        return self._writer.lost

    @property
    def queued(self) -> int:
        """How many bytes wait to be written."""
        return self._writer.queued

    def _tell_loss(self, lost: int) -> str:
        """Tell in the server's log, since a program that reads this one expects lines of one kind."""
        self._log.warning("log_lines_lost", log=self._name, count=lost, **self._place)
        return ""

    def close(self) -> None:
        """Have what is queued written, for as long as that may take."""
        self._writer.finish()


class FileSink(_QueuedSink):
    """A file, to whose end lines are added; several servers may share it, during a hand-over."""

    def __init__(self, path: str, name: str, format_line: Format, log: Logger) -> None:
        super().__init__(name, format_line, log, path=path)
        self._path = path
        try:
            descriptor = self._open()
        except OSError as error:
            raise StartError(f"cannot write the {name} log to {path}: {error.strerror}") from error
        self._writer = LineWriter(
            descriptor,
            self._tell_loss,
            max_queued=MAX_QUEUED_LOG,
            most_at_once=MAX_LOG_WRITTEN,
            gather_time=LINES_GATHER_TIME,
        )

    def _open(self) -> int:
        return os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOCTTY, _MODE)

    def write(self, fields: Mapping[str, object]) -> None:
        """Queue a line."""
        self._writer.write(self._format(fields))

    def reopen(self) -> None:
        """Have further lines go to whatever file has the name now (the thread that writes opens it)."""
        self._writer.switch(self._open_again)

    def _open_again(self) -> int | None:
        try:
            return self._open()
        except OSError as error:
            self._log.error("log_not_reopened", log=self._name, path=self._path, error=error.strerror)
            return None


class JournalSink(_QueuedSink):
    """The journal of systemd: each line with its fields, by which it can be found."""

    _writer: JournalWriter

    def __init__(self, name: str, format_line: Format, log: Logger) -> None:
        super().__init__(name, format_line, log)
        self._writer = JournalWriter(self._tell_loss, max_queued=MAX_QUEUED_LOG, gather_time=LINES_GATHER_TIME)

    def write(self, fields: Mapping[str, object]) -> None:
        """Queue a line."""
        self._writer.send(self._format(fields).rstrip("\n"), _INFO, {"log": self._name, **fields})

    def reopen(self) -> None:
        """Do nothing: the journal looks after its files."""


@contextlib.contextmanager
def open_sink(target: str, name: str, format_line: Format, log: Logger) -> Iterator[FileSink | JournalSink]:
    """Open a file, or `JOURNAL`, for the log of that name; raises `StartError`."""
    if target == JOURNAL:
        sink: FileSink | JournalSink = JournalSink(name, format_line, log)
    else:
        sink = FileSink(target, name, format_line, log)
    with contextlib.closing(sink):
        yield sink


def format_time(at: float) -> str:
    """Write a Unix time for people and programs: ISO 8601, UTC."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
