"""A session from a program: an application that listens on a UNIX socket is published while a block runs.

The same as the command, without a command: no application is started or ended, no signal is handled, nothing is
written to standard output.
"""

from __future__ import annotations

import contextlib
import os
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from functools import partial

import trio

from conductor_trio.client.application.readiness import wait_ready
from conductor_trio.client.config.address import ServerAddress, check_local_socket
from conductor_trio.client.config.launch import Launch
from conductor_trio.client.config.settings import ClientSettings
from conductor_trio.client.config.visitor_token import make_token
from conductor_trio.client.host.application_socket import ApplicationSocket, open_application_socket
from conductor_trio.client.host.cleanup import Cleanup, open_cleanup
from conductor_trio.client.host.link_file import open_link_file
from conductor_trio.client.output import events
from conductor_trio.client.output.reporter import LinkReporter, LogReporter, Reporter
from conductor_trio.client.session.keeper import Connection
from conductor_trio.client.token_warnings import warn_of_token
from conductor_trio.client.transport.base import Transport
from conductor_trio.client.transport.open import open_transport
from conductor_trio.control.events import Stop
from conductor_trio.errors import ConductorError, ConfigError, first_of
from conductor_trio.limits.client import ClientLimits
from conductor_trio.limits.constants import MAX_KEPT_EVENTS


class SessionStopped(ConductorError):
    """The session's owner has ended it from elsewhere (``conductor-trio stop``), or the gateway's operator has."""

    reason = "stopped"


class PublishedSession:
    """A session while it is published. Iterated, it gives the events that it has had and those to come.

    Of events that nobody takes, the last thousand are kept.
    """

    def __init__(self, token: str) -> None:
        self.token = token
        self._live: events.Live | None = None
        self._has_been_live = trio.Event()
        self._kept: deque[events.Event] = deque(maxlen=MAX_KEPT_EVENTS)
        self._changed = trio.lowlevel.ParkingLot()
        self._is_over = False
        self._log = LogReporter()

    @property
    def url(self) -> str | None:
        """The login link, which logs a browser in; None until visitors can use it."""
        return None if self._live is None else self._live.url

    @property
    def key(self) -> str | None:
        """The name in the address, the server's choice where none was given; None until visitors can use it."""
        return None if self._live is None else self._live.key

    @property
    def hosts(self) -> tuple[str, ...]:
        """The host names, one for each of the server's patterns; empty until visitors can use it."""
        return () if self._live is None else self._live.urls

    async def wait_live(self) -> events.Live:
        """Wait until visitors can use it for the first time: something listens, and the gateway knows it."""
        await self._has_been_live.wait()
        assert self._live is not None
        return self._live

    def __aiter__(self) -> AsyncIterator[events.Event]:
        return self

    async def __anext__(self) -> events.Event:
        await trio.lowlevel.checkpoint()
        while not self._kept:
            if self._is_over:
                raise StopAsyncIteration
            await self._changed.park()
        return self._kept.popleft()

    def send(self, report: events.Report) -> None:
        """Take a report in; for whoever keeps the session up."""
        self._log.send(report)
        if isinstance(report, events.SshLine | events.LoginShell):
            return
        if isinstance(report, events.Live):
            self._live = report
            self._has_been_live.set()
        self._kept.append(report)
        self._changed.unpark_all()

    def close(self) -> None:
        """Have whoever iterates come to an end."""
        self._is_over = True
        self._changed.unpark_all()


@contextlib.asynccontextmanager
async def publish(
    server: str | None = None,
    *,
    socket: str | os.PathLike[str],
    key: str | None = None,
    token: str | None = None,
    replace: bool = False,
    link_file: str | os.PathLike[str] | None = None,
    limits: ClientLimits | None = None,
) -> AsyncIterator[PublishedSession]:
    """Publish the application that listens, or is going to, on a UNIX socket of this host, while the block runs.

    `server` is as on the command line, or None for the one in the configuration. Raises `ConfigError` for wrong
    arguments, and `ConductorError` out of the block where the gateway cannot be reached at first, or does not take
    the session; a link that is lost later is made again. `SessionStopped` where it is ended from elsewhere.
    """
    settings = ClientSettings(
        server=_choose_server(server),
        local_socket=check_local_socket(_absolute(socket)),
        launch=Launch(command=()),
        token=make_token() if token is None else token,
        key=key,
        replace=replace,
        link_file=None if link_file is None else _absolute(link_file),
        limits=limits or ClientLimits(),
    )
    error: BaseException
    try:
        async with open_cleanup(settings.limits) as cleanup:
            with open_application_socket(_path(settings), None) as application:
                async with _open_session(settings, application, cleanup) as session:
                    yield session
            return
    except BaseExceptionGroup as group:
        # A block with one error raises just that: the nurseries in here are none of its business.
        error = first_of(group)
        if _count(group) > 1:
            raise
    raise error


@contextlib.asynccontextmanager
async def _open_session(
    settings: ClientSettings, application: ApplicationSocket, cleanup: Cleanup
) -> AsyncIterator[PublishedSession]:
    session = PublishedSession(settings.token)
    with open_link_file(settings.link_file, cleanup) as file:
        reporter: Reporter = warn_of_token(settings, session)
        if file is not None:
            reporter = LinkReporter(reporter, file.write)
        async with trio.open_nursery() as nursery:
            link = _Link(session, settings, application, nursery.cancel_scope)
            way = partial(open_transport, settings, application, cleanup, reporter)
            nursery.start_soon(link.keep_up, reporter, way, name="published session")
            nursery.start_soon(link.look, name="published session: the application's start")
            try:
                yield session
            finally:
                link.end()
    if link.failure is not None:
        raise link.failure


class _Link:
    """The session's link to the gateway; `block` is the scope of the block, which a failure cancels."""

    def __init__(
        self,
        session: PublishedSession,
        settings: ClientSettings,
        application: ApplicationSocket,
        block: trio.CancelScope,
    ) -> None:
        self.failure: ConductorError | None = None
        self._session = session
        self._settings = settings
        self._application = application
        self._block = block
        self._ready = trio.Event()
        self._is_ending = False
        # Cancelled by nobody but us, so that the server is told that this is on purpose. It has no deadline but
        # the end of the block, which it does not hold up.
        self._linked = trio.CancelScope(shield=True)

    async def keep_up(
        self, reporter: Reporter, open_way: Callable[[], AbstractAsyncContextManager[Transport]]
    ) -> None:
        """Keep the session up until the block ends."""
        connection = Connection(
            self._settings, reporter, open_way, self._ready, lambda: self._is_ending, stop=self._stop
        )
        with self._linked:
            error = await connection.keep_up()
            self._fail(error, events.make_failed(error))

    async def look(self) -> None:
        """Wait until the application listens."""
        try:
            await wait_ready(self._application, None, self._settings.limits)
        except ConductorError as error:
            self._fail(error, events.make_failed(error))
        self._ready.set()

    def end(self) -> None:
        """Have the session end, because the block has."""
        self._is_ending = True
        self._session.close()
        self._linked.cancel()
        self._block.cancel()

    def _stop(self, asked: Stop) -> None:
        event = events.make_stopping(asked)
        self._fail(SessionStopped(event.why), event)

    def _fail(self, error: ConductorError, event: events.Event) -> None:
        if self.failure is None:
            self.failure = error
            self._session.send(event)
            self._block.cancel()


def _choose_server(text: str | None) -> ServerAddress:
    from conductor_trio.client.config.files import choose_server, load_config  # with TOML, and later than the rest

    server = choose_server(text, load_config(os.environ))
    if server is None:
        raise ConfigError("no server: name the gateway, or have the configuration name it")
    return server


def _absolute(path: str | os.PathLike[str]) -> str:
    """Return an absolute path; an empty one stays so."""
    text = os.fspath(path)
    return text and os.path.abspath(text)


def _path(settings: ClientSettings) -> str:
    assert settings.local_socket is not None
    return settings.local_socket


def _count(error: BaseException) -> int:
    return sum(map(_count, error.exceptions)) if isinstance(error, BaseExceptionGroup) else 1
