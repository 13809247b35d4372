"""The observer: what both planes tell of what they do, in one object."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterator

import attrs
import trio

from conductor_trio import __version__
from conductor_trio.access.reasons import Reason
from conductor_trio.http1.forwarded import Peer
from conductor_trio.limits.server import ServerLimits
from conductor_trio.log import Logger
from conductor_trio.pages.colors import Color
from conductor_trio.server.observability.access_log import FORMATS, AccessLog, format_json
from conductor_trio.server.observability.audit_log import AuditLog
from conductor_trio.server.observability.measures import Measures
from conductor_trio.server.observability.recent import RecentEvents
from conductor_trio.server.observability.request_watch import RequestWatch, Turn
from conductor_trio.server.observability.session_watch import SessionWatch
from conductor_trio.server.observability.sink import FileSink, JournalSink, open_sink
from conductor_trio.server.observability.visits import Visits
from conductor_trio.server.observability.wrong_tokens import WrongTokens
from conductor_trio.server.routing.routes import Route
from conductor_trio.server.routing.table import RouteTable
from conductor_trio.server.settings import ServerSettings


def _do_nothing() -> None:
    pass


@attrs.define(eq=False, kw_only=True)
class Observer:
    """One server's; without sinks it counts, and nothing else."""

    access_log: AccessLog | None = None
    audit: AuditLog = attrs.field(factory=AuditLog)
    sinks: dict[str, FileSink | JournalSink] = attrs.field(factory=dict)  #: by the names of their logs
    rotations: AsyncIterator[int] | None = None  #: a signal each time that files are to be opened anew
    measures: Measures = attrs.field(factory=Measures, init=False)
    on_reopen: Callable[[], None] = attrs.field(default=_do_nothing, init=False)  #: called for each of them
    _visits: Visits | None = attrs.field(init=False)
    _wrong_tokens: WrongTokens = attrs.field(init=False)
    _sessions: SessionWatch | None = attrs.field(default=None, init=False)

    def __attrs_post_init__(self) -> None:
        self._visits = Visits(self.audit) if self.audit.is_written else None
        self._wrong_tokens = WrongTokens(self.audit)

    def follow(self, routes: RouteTable) -> None:
        """Hear of every session from now on."""
        self._sessions = SessionWatch(self.measures, self.audit, routes.clock)
        routes.subscribe(self._sessions.hear)

    def watch_requests(self, peer: Peer, turn: Turn) -> RequestWatch:
        """Return what follows the requests of one connection."""
        return RequestWatch(self.measures, turn, peer, self.access_log, self._visits)

    def note_refusal(self, reason: Reason) -> None:
        """Count that a visitor was refused, if that is what the reason says."""
        self.measures.count_refusal(reason)

    def note_wrong_token(self, route: Route, address: str) -> None:
        """Somebody has shown a wrong token of a session's."""
        self.measures.wrong_tokens += 1
        self._wrong_tokens.note(route, address)

    def note_wrong_link(self, host: str, address: str) -> None:
        """Somebody has shown a wrong link to the dashboard, at that host name."""
        self.measures.wrong_tokens += 1
        self._wrong_tokens.note_at(host, address)

    async def run(self) -> None:
        """Tell of what is seen only by its absence, and open files anew, for ever."""
        async with trio.open_nursery() as nursery:
            if self._visits is not None:
                nursery.start_soon(self._visits.run, name="visits")
            if self.audit.is_kept:
                nursery.start_soon(self._wrong_tokens.run, name="wrong tokens")
            if self.rotations is not None:
                async for _ in self.rotations:
                    self.reopen()

    def begin(self, settings: ServerSettings) -> None:
        """Tell what is in force from now on."""
        self.audit.note(
            "configuration_applied", pid=os.getpid(), version=__version__, **describe_settings(settings)
        )

    def hand_over(self) -> None:
        """Tell of no session any more, which a successor does from now on."""
        if self._sessions is not None:
            self._sessions.is_over = True

    def end(self) -> None:
        """Tell what is left to be told."""
        self._wrong_tokens.tell()
        self.end_visits()
        self.audit.note("server_ended", pid=os.getpid())

    def end_visits(self) -> None:
        """Tell that all visits are over here."""
        if self._visits is not None:
            self._visits.end_all()

    def reopen(self) -> None:
        """Go on with the files that have the logs' names now (logrotate)."""
        self.on_reopen()
        for sink in self.sinks.values():
            sink.reopen()


def describe_settings(settings: ServerSettings) -> dict[str, object]:
    """Return what is in force, and no file's contents; of the limits those that are another than usual.

    What has no place in a value's `repr` is a file's contents, or follows from the rest.
    """
    told = attrs.asdict(settings, filter=lambda field, _: bool(field.repr), value_serializer=_as_text)
    usual = ServerLimits()
    changed = {name: value for name, value in told.pop("limits").items() if value != getattr(usual, name)}
    return {**told, "limits": changed}


def _as_text(_: object, __: object, value: object) -> object:
    match value:
        case bytes():
            return value.decode("ascii")
        case Color():
            return str(value)
    return value


@contextlib.contextmanager
def open_observer(settings: ServerSettings, log: Logger) -> Iterator[Observer]:
    """Open the logs that the settings ask for, and take SIGUSR1 for a rotation; raises `StartError`."""
    with contextlib.ExitStack() as stack:
        # Whether or not there are files: it would end the process.
        rotations = stack.enter_context(trio.open_signal_receiver(signal.SIGUSR1))
        sinks: dict[str, FileSink | JournalSink] = {}
        access_log, audit_sink = None, None
        if settings.access_log is not None:
            format_line = FORMATS[settings.access_log_format]
            sinks["access"] = stack.enter_context(open_sink(settings.access_log, "access", format_line, log))
            access_log = AccessLog(sinks["access"])
        if settings.audit_log is not None:
            audit_sink = sinks["audit"] = stack.enter_context(
                open_sink(settings.audit_log, "audit", format_json, log)
            )
        audit = AuditLog(audit_sink, recent=RecentEvents() if settings.admin_host else None)
        yield Observer(access_log=access_log, audit=audit, sinks=sinks, rotations=rotations)
