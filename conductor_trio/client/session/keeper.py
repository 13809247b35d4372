"""The connection to the server: dialled, registered, and brought back whenever it is lost.

Two levels. A transport stands (SSH, or nothing on the server's own host), and over it control channels follow one
another: where only the channel is lost, or where the server asks us to move, the next one takes the same way.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import socket
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import trio

from conductor_trio.access.tokens import hash_token
from conductor_trio.client.application.idle import IdleWatch
from conductor_trio.client.config.settings import ClientSettings
from conductor_trio.client.host.batch_job import find_job
from conductor_trio.client.output import events
from conductor_trio.client.output.writer import Output
from conductor_trio.client.session.backoff import Backoff
from conductor_trio.client.session.channel import ControlChannel
from conductor_trio.client.transport.base import LinkSilent, ServerAway, Transport
from conductor_trio.control.messages import (
    MAX_NODE,
    OWNER_COMMANDS,
    RESUME,
    STARTING,
    Accepted,
    Banner,
    Event,
    Registration,
    Takeover,
)
from conductor_trio.errors import (
    ConductorError,
    Hop,
    RegistrationRefused,
    StartError,
    TransportError,
    first_of,
    host_shortage,
)
from conductor_trio.limits import RELAY_NAME

_log = logging.getLogger(__name__)

# In a row, of what is neither the server's absence nor its word: then the transport may be to blame.
_MAX_FAILURES = 2

_EXTENSIONS = {RESUME, OWNER_COMMANDS}

_CLOSED = "the server closed the control channel"


class _Hopeless(ConductorError):
    """Another try would most likely end the same."""


def _hopeless(error: ConductorError) -> _Hopeless:
    return _Hopeless(error.what, advice=error.advice, hop=error.hop)


class Connection:
    """The connection to the server, kept up for as long as the application lives.

    `ready` is set once the application listens. `is_ending` is asked at our cancellation: whether the client ends
    on purpose, of which the server is told. `stop` is called where the owner has the application ended from
    elsewhere, and `idle` learns from the server when visitors come.
    """

    def __init__(
        self,
        settings: ClientSettings,
        output: Output,
        open_transport: Callable[[], AbstractAsyncContextManager[Transport]],
        ready: trio.Event,
        is_ending: Callable[[], bool],
        stop: Callable[[], None] = lambda: None,
        idle: IdleWatch | None = None,
    ) -> None:
        self._settings = settings
        self._limits = settings.limits
        self._output = output
        self._open_transport = open_transport
        self._ready = ready
        self._is_ending = is_ending
        self._stop = stop
        self._idle = idle
        self._key = settings.key
        self._takeover = Takeover.ANY if settings.replace else Takeover.OWN
        self._hop: Hop = "ssh"  # which fails if something does
        self._was_greeted = False
        self._was_accepted = False
        self._attempt = 0  # in this outage; 0 outside of one
        self._dial_pauses = Backoff(settings.limits)
        self._names: Accepted | None = None
        self._names_told = trio.Event()

    async def wait_names(self) -> Accepted | None:
        """Wait for what the server tells before the application listens; None where it tells nothing then."""
        await self._names_told.wait()
        return self._names

    async def keep_up(self) -> ConductorError:
        """Keep the application reachable; returns only where the first dial fails: why, and at which hop."""
        while True:
            error = await self._dial()
            if not self._was_accepted and (not self._was_greeted or isinstance(error, _Hopeless)):
                return ConductorError(error.what, advice=error.advice, hop=error.hop or self._hop)
            await self._pause(error, self._dial_pauses.take(self._limits.max_redial_pause))

    async def _dial(self) -> ConductorError:
        """Connect, and serve for as long as the transport is any good; return why it no longer is."""
        error: ConductorError
        self._hop = "ssh"
        try:
            async with self._open_transport() as transport:
                self._hop = "server"
                server = self._settings.server
                self._output.send(events.Connect(user=server.user, host=server.host, port=server.port))
                await self._serve_channels(transport)
        except* ConductorError as group:
            first = first_of(group)
            assert isinstance(first, ConductorError)
            error = first
        except* OSError as group:
            error = _hopeless(host_shortage(first_of(group)))
        except* Exception as group:
            # A bug in dialling is not to cost the application its hours of work.
            error = _Hopeless(f"this is a bug, please report it: {first_of(group)!r}", hop="here")
            _log.debug("traceback", exc_info=group)
        return error

    async def _pause(self, error: ConductorError, seconds: float) -> None:
        """Tell why there is no connection and when the next try is, and wait for that."""
        what, advice = error.what, error.advice
        if self._attempt == 0:
            self._output.send(events.Dead(what=what, advice=advice))
        self._attempt += 1
        self._output.send(events.Reconnecting(seconds=seconds, what=what, advice=advice, attempt=self._attempt))
        await trio.sleep(seconds)

    async def _serve_channels(self, transport: Transport) -> None:
        """Serve one channel after the other; ends with the error for which the transport is to be dialled anew."""
        pauses = Backoff(self._limits)
        start_deadline = trio.current_time() + self._limits.server_start_timeout
        failures = 0
        async with trio.open_nursery() as retired:
            while True:
                error = await self._serve_channel(transport, retired)
                if error is None:
                    continue
                is_away = isinstance(error, ServerAway)
                if is_away and not self._was_greeted and trio.current_time() < start_deadline:
                    await trio.sleep(pauses.take(self._limits.max_reopen_pause))
                    continue
                reason = await transport.explain(error, thorough=not self._was_greeted)
                if not self._was_accepted and not (is_away and self._was_greeted):
                    raise _hopeless(reason)
                if self._attempt == 0:
                    pauses.reset()
                failures = 0 if is_away or isinstance(error, RegistrationRefused) else failures + 1
                if failures == _MAX_FAILURES or isinstance(error, LinkSilent):
                    raise TransportError(reason.what, advice=reason.advice, hop=reason.hop) from error
                limits = self._limits
                await self._pause(
                    reason, pauses.take(limits.max_reopen_pause if is_away else limits.max_redial_pause)
                )
                transport.forget_warnings()

    async def _serve_channel(self, transport: Transport, retired: trio.Nursery) -> ConductorError | None:
        """Serve a channel until it ends, and return why; None once it is to be followed by another.

        Then it is still served, in `retired`, until the server closes it.
        """
        error: ConductorError | None = None
        try:
            await retired.start(self._run_channel, transport)
        except* ConductorError as group:
            first = first_of(group)
            assert isinstance(first, ConductorError)
            error = first
        except* OSError as group:
            error = host_shortage(first_of(group))
        return error

    async def _run_channel(self, transport: Transport, *, task_status: trio.TaskStatus[None]) -> None:
        """Serve a channel until the server closes it; counts as started once it is to be followed by another."""
        await transport.prepare_relay()
        with contextlib.closing(await transport.connect_control()) as stream:
            channel = ControlChannel(stream, self._limits)
            banner = await channel.receive_banner()
            self._was_greeted = True
            self._output.send(events.ControlConnect(path=self._settings.server.path, banner=banner.raw))
            self._check_extensions(banner)
            self._hop = "gateway"
            try:
                async with transport.open_relay(os.path.join(banner.directory, RELAY_NAME)):
                    try:
                        await self._serve_session(channel, banner, transport)
                        task_status.started()
                        await channel.wait_end()
                    finally:
                        if self._is_ending():
                            await channel.leave()  # noqa: ASYNC102
            except (ServerAway, LinkSilent):
                raise
            except TransportError as error:
                if await channel.closes_soon():  # noqa: ASYNC120  # and with the server goes the directory, in which to listen
                    raise ServerAway(_CLOSED) from error
                raise

    async def _wait_ready(self, channel: ControlChannel) -> None:
        """Wait until the application listens; raises `ServerAway` where the server goes first."""
        async with trio.open_nursery() as nursery:

            async def give_up() -> None:
                await channel.wait_closed()
                nursery.cancel_scope.cancel()

            nursery.start_soon(give_up)
            await self._ready.wait()
            nursery.cancel_scope.cancel()
        if not self._ready.is_set():
            raise ServerAway("the server closed the control channel before the application listened")

    async def _serve_session(self, channel: ControlChannel, banner: Banner, transport: Transport) -> None:
        """Register, and return when the server asks to move; raises `ConductorError` where it ends otherwise."""
        is_early = self._settings.registers_early and STARTING in banner.extensions and not self._ready.is_set()
        if not is_early:
            await self._wait_ready(channel)
        accepted = await channel.register(self._make_registration(banner, is_starting=is_early))
        self._accept(accepted)
        transport.note_success()
        is_shown = trio.Event()
        error: ConductorError | None = None
        async with trio.open_nursery() as nursery:
            if is_early:
                self._output.send(events.Starting(token=self._settings.token, key=self._key, urls=accepted.urls))
                nursery.start_soon(self._go_live_when_ready, channel, accepted, is_shown)
            else:
                self._go_live(accepted)
            error = await self._follow(channel, is_shown)
            nursery.cancel_scope.cancel()
        if error is not None:
            raise error

    async def _follow(self, channel: ControlChannel, is_shown: trio.Event) -> ConductorError | None:
        """Follow a channel until the server asks to move; otherwise return why it is of no further use.

        `is_shown` is set when the server says that visitors are shown the application from now on.
        """
        if self._idle is not None:
            self._idle.begin()
            channel.on_idle = self._idle.hear
        try:
            while (event := await channel.next_event()) is not Event.MOVE:
                if event is None:
                    return ServerAway(_CLOSED)
                if event is Event.STOP:
                    self._stop()
                if event is Event.REPLACED:
                    # Two that take a name from each other would do so for ever.
                    self._takeover = Takeover.NEVER
                    return RegistrationRefused("another session of yours has taken the name")
                if event is Event.READY:
                    is_shown.set()
        except ConductorError as error:
            return error
        finally:
            channel.on_idle = None  # of two channels, only the later one counts
        return None

    async def _go_live_when_ready(self, channel: ControlChannel, accepted: Accepted, is_shown: trio.Event) -> None:
        await self._ready.wait()
        await channel.tell_ready()
        with trio.move_on_after(self._limits.show_timeout):
            await is_shown.wait()
        self._go_live(accepted)

    def _make_registration(self, banner: Banner, *, is_starting: bool) -> Registration:
        return Registration(
            auth=hash_token(self._settings.token.encode()),
            key=self._key,
            extensions=banner.extensions & ({*_EXTENSIONS, STARTING} if is_starting else _EXTENSIONS),
            takeover=self._takeover,
            is_starting=is_starting,
            node=_node_name(),
            until=job.end if (job := find_job(os.environ)) is not None else None,
        )

    def _check_extensions(self, banner: Banner) -> None:
        """The application can start, or will by what the server is going to tell; raises `StartError`."""
        if self._idle is not None and OWNER_COMMANDS not in banner.extensions and not self._was_accepted:
            raise StartError(
                "the gateway's server does not tell when visitors come, as --idle needs",
                advice="leave it out, or ask for a newer conductor-trio-server",
            )
        if self._names_told.is_set() or STARTING in banner.extensions:
            return
        if self._settings.needs_names:
            raise StartError(
                "the gateway's server does not tell the address before the application listens, as {host}, {url} "
                "and {key} in its command need",
                advice="leave these out, give the key with -k, or ask for a newer conductor-trio-server",
            )
        self._names_told.set()

    def _accept(self, accepted: Accepted) -> None:
        # A key that the server chose keeps the address the same after the next dial.
        self._key = self._key or accepted.key
        if self._takeover is Takeover.ANY:
            self._takeover = Takeover.OWN
        self._attempt = 0
        self._was_accepted = True
        self._dial_pauses.reset()
        if not self._names_told.is_set():
            self._names = accepted
            self._names_told.set()

    def _go_live(self, accepted: Accepted) -> None:
        self._output.send(events.Live(token=self._settings.token, key=self._key, urls=accepted.urls))


def _node_name() -> str:
    """Return the name of this host, as far as it may be told."""
    return re.sub(r"[^A-Za-z0-9._-]", "", socket.gethostname())[:MAX_NODE]
