"""The log that is made of reports: which of them it holds, in which words, and how often."""

from __future__ import annotations

import logging

import pytest

from conductor_trio.client.output import events
from conductor_trio.client.output.reporter import LinkReporter, LogReporter, WarningReporter

DEBUG, INFO, WARNING, ERROR = logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR

LIVE = events.Live(token="t0ken", key=None, urls=("a",))
STARTING = events.Starting(token="t0ken", key=None, urls=("a",))


def lost(what: str, attempt: int = 1) -> events.Reconnecting:
    return events.Reconnecting(seconds=1.5, what=what, advice="wait", attempt=attempt)


@pytest.mark.parametrize(
    ("reports", "log"),
    [
        ([events.Failed(what="no way", advice="wait", hop="here")], [(ERROR, "no way; wait")]),
        ([events.Warned(text="it is late")], [(WARNING, "it is late")]),
        ([events.Ending(signal="SIGTERM")], [(INFO, "ending: SIGTERM")]),
        ([events.Stopping(by="owner", why="its owner asks")], [(INFO, "ending: its owner asks")]),
        ([events.Execute(command=("a",), pid=7)], []),
        ([events.Execute(command=("a",), pid=7, recipe="lab")], [(INFO, "starting as the recipe lab says")]),
        ([events.SshLine(text="hello")], [(INFO, "ssh: hello")]),
        ([events.LoginShell(is_running=True), events.LoginShell(is_running=False)], []),
        ([events.SshLine(text="hello", is_repeated=True)], [(DEBUG, "ssh: hello")]),
        # The loss is told once, with what comes next.
        ([events.Dead(what="gone")], []),
        ([lost("gone")], [(WARNING, "not connected: gone; wait; trying again in 1.5 s")]),
        # It lasts for a night, and then another begins.
        (
            [lost("gone"), lost("gone"), lost("no route"), LIVE, LIVE, lost("no route"), STARTING],
            [
                (WARNING, "not connected: gone; wait; trying again in 1.5 s"),
                (DEBUG, "not connected: gone; wait; trying again in 1.5 s"),
                (WARNING, "not connected: no route; wait; trying again in 1.5 s"),
                (INFO, "connected again"),
                (WARNING, "not connected: no route; wait; trying again in 1.5 s"),
                (INFO, "connected again"),
            ],
        ),
        ([LIVE, STARTING, events.Data(kind="stdout", text="x"), events.Exit(status=0)], []),
    ],
)
def test_what_is_logged(
    reports: list[events.Report], log: list[tuple[int, str]], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(DEBUG)
    reporter = LogReporter()
    for report in reports:
        reporter.send(report)
    assert [(record.levelno, record.message) for record in caplog.records] == log


class Reports:
    """What has been reported."""

    def __init__(self) -> None:
        self.sent: list[events.Report] = []

    def send(self, report: events.Report) -> None:
        self.sent.append(report)


def test_a_warning_comes_once_with_the_first_visitors() -> None:
    reports = Reports()
    reporter = WarningReporter(reports, "beware")
    for report in (STARTING, LIVE, lost("x"), LIVE):
        reporter.send(report)
    assert reports.sent == [STARTING, LIVE, events.Warned(text="beware"), lost("x"), LIVE]


class _Kept:
    def __init__(self) -> None:
        self.reports: list[events.Report] = []

    def send(self, report: events.Report) -> None:
        """Keep it."""
        self.reports.append(report)


def test_the_link_is_written_before_it_is_told() -> None:
    kept, written = _Kept(), list[str]()

    def write(url: str) -> str | None:
        assert not kept.reports or kept.reports[-1] is not LIVE
        written.append(url)
        return "the disk is full" if len(written) == 2 else None

    reporter = LinkReporter(kept, write)
    for report in (STARTING, LIVE):
        reporter.send(report)
    assert written == [LIVE.url]
    assert kept.reports == [STARTING, LIVE]
    kept.reports.clear()
    reporter.send(LIVE)
    assert kept.reports == [LIVE, events.Warned(text="the disk is full")]
