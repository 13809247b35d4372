"""Reports of what happens: one for each fact, from which events, the display and the log are made."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Protocol

from conductor_trio.client.output import events
from conductor_trio.errors import format_text

_log = logging.getLogger(__name__)


class Reporter(Protocol):
    """Takes reports of what happens to whoever is to know of it."""

    def send(self, report: events.Report) -> None:
        """Report something, without waiting for anybody."""


def warn(reporter: Reporter, text: str, *, is_event: bool) -> None:
    """Warn by an event, or, where those are a program's that has chosen what is warned of, by the log alone."""
    if is_event:
        reporter.send(events.Warned(text=text))
    else:
        _log.warning("%s", text)


class WarningReporter:
    """Passes reports on, and warns of something once visitors can come, from when on it matters."""

    def __init__(self, reporter: Reporter, text: str) -> None:
        self._reporter = reporter
        self._text: str | None = text

    def send(self, report: events.Report) -> None:
        """Pass a report on, and the warning behind the first that visitors can use the application."""
        self._reporter.send(report)
        if isinstance(report, events.Live) and self._text is not None:
            self._reporter.send(events.Warned(text=self._text))
            self._text = None


class LinkReporter:
    """Passes reports on, and has the link written before it is told; `write` returns why that could not be."""

    def __init__(self, reporter: Reporter, write: Callable[[str], str | None]) -> None:
        self._reporter = reporter
        self._write = write

    def send(self, report: events.Report) -> None:
        """Pass a report on, after the link's file is there."""
        trouble = self._write(report.url) if isinstance(report, events.Live) and report.url else None
        self._reporter.send(report)
        if trouble is not None:
            self._reporter.send(events.Warned(text=trouble))


class LogReporter:
    """Writes reports to the log on standard error: those that people look for there."""

    def __init__(self) -> None:
        self._outage = ""  # why there was no connection when that was last logged; nothing while there is one

    def send(self, report: events.Report) -> None:
        """Log a report, or pass over it."""
        match report:
            case events.Failed(what=what, advice=advice):
                _log.error("%s", format_text(what, advice))
            case events.Warned(text=text):
                _log.warning("%s", text)
            case events.Ending(signal=signal):
                _log.info("ending: %s", signal)
            case events.Stopping(why=why):
                _log.info("ending: %s", why)
            case events.Execute(recipe=str(recipe)):
                _log.info("starting as the recipe %s says", recipe)
            case events.SshLine(text=text, is_repeated=is_repeated):
                # It says the same each time that we try to reach a server that is away.
                _log.log(logging.DEBUG if is_repeated else logging.INFO, "ssh: %s", text)
            case events.Reconnecting():
                self._log_outage(report)
            case events.Live() | events.Starting() if self._outage:
                _log.info("connected again")
                self._outage = ""

    def _log_outage(self, report: events.Reconnecting) -> None:
        reason = format_text(report.what, report.advice)
        # An outage can last for a night.
        level = logging.DEBUG if reason == self._outage else logging.WARNING
        _log.log(level, "not connected: %s; trying again in %.1f s", reason, report.seconds)
        self._outage = reason
