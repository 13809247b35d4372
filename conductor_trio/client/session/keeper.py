"""The client's session with a gateway, kept up: a thin Trio shell that carries out what `ClientSession` says.

The states, and what follows on what, are drawn and tabled in `conductor_trio.client.session.states`; how long it
waits before it retries is chosen in `conductor_trio.client.session.backoff`. Here are the tasks: one control
channel after the other over one transport after the other, and those whose server asked us to move, to their end.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import TYPE_CHECKING

import trio

from conductor_trio.client.config.settings import ClientSettings
from conductor_trio.client.host.batch_job import find_job
from conductor_trio.client.host.node import node_name
from conductor_trio.client.output import events
from conductor_trio.client.output.reporter import Reporter
from conductor_trio.client.session.channel import ControlChannel
from conductor_trio.client.session.machine import ClientSession
from conductor_trio.client.session.output_teller import tell_output
from conductor_trio.client.session.prober import WayProber
from conductor_trio.client.session.states import (
    ChannelLost,
    Checked,
    EarlyRegistrationSent,
    Explained,
    Greeted,
    Loss,
    Moved,
    PauseOver,
    Reached,
    RegistrationSent,
    Shown,
    State,
    TransportClosed,
    TransportLost,
    TransportOpened,
    WayProven,
)
from conductor_trio.client.transport.base import LinkSilent, ServerAway, Transport
from conductor_trio.control.events import Move, Notice, Ping, Pong, Probed, Ready, Replaced, Stop
from conductor_trio.control.messages import OUTPUT, PROBE, RESUME, Accepted, Banner, Registration
from conductor_trio.errors import ConductorError, RegistrationRefused, TransportError, first_of, host_shortage
from conductor_trio.limits.constants import RELAY_NAME
from conductor_trio.thread import is_thread_missing

if TYPE_CHECKING:
    from conductor_trio.client.application.idle import IdleWatch
    from conductor_trio.client.application.output_tail import OutputTail

_log = logging.getLogger(__name__)

_CLOSED = "the server closed the control channel"


class Connection:
    """The connection to the server, kept up for as long as the application lives.

    `ready` is set once the application listens. `is_ending` is asked at our cancellation: whether the client ends
    on purpose, of which the server is told, and then what its application said last is waited for, unless `hurry`
    is set. `stop` is called where the owner has the application ended from elsewhere, or the gateway's operator,
    `idle` learns from the server when visitors come, and the server from `tail` what the application says.
    """

    def __init__(
        self,
        settings: ClientSettings,
        output: Reporter,
        open_transport: Callable[[], AbstractAsyncContextManager[Transport]],
        ready: trio.Event,
        is_ending: Callable[[], bool],
        stop: Callable[[Stop], None] = lambda _: None,
        idle: IdleWatch | None = None,
        hurry: trio.Event | None = None,
        tail: OutputTail | None = None,
    ) -> None:
        self._settings = settings
        self._limits = settings.limits
        self._output = output
        self._open_transport = open_transport
        self._ready = ready
        self._is_ending = is_ending
        self._stop = stop
        self._idle = idle
        self._hurry = trio.Event() if hurry is None else hurry
        self._tail = tail
        self._has_left = False  # and the server knows
        self._session = ClientSession(settings, needs_idle=idle is not None)
        self._names_settled = trio.Event()
        self._told: dict[str, Notice] = {}  # by what they are about

    async def wait_names(self) -> Accepted | None:
        """Wait for what the server tells before the application listens; None where it tells nothing then."""
        await self._names_settled.wait()
        assert self._session.names is not None
        return self._session.names.accepted

    async def keep_up(self) -> ConductorError:
        """Keep the application reachable; returns only where the first dial fails: why, and at which hop."""
        while True:
            await self._dial()
            if self._session.failure is not None:
                return self._session.failure
            await self._pause()

    async def _dial(self) -> None:
        """Open a transport, and serve for as long as it is any good."""
        closed: TransportClosed | TransportLost = TransportClosed()
        try:
            async with self._open_transport() as transport:
                self._session.handle(TransportOpened(now=trio.current_time()))
                server = self._settings.server
                self._output.send(events.Connect(user=server.user, host=server.host, port=server.port))
                try:
                    await self._serve_channels(transport)
                finally:
                    if self._has_left:
                        await transport.finish(self._hurry)  # noqa: ASYNC102
        except* ConductorError as group:
            closed = TransportLost(loss=Loss.TRANSPORT, error=_first_of_ours(group))
        except* OSError as group:
            closed = TransportLost(loss=Loss.HERE, error=host_shortage(first_of(group)))
        except* Exception as group:
            first = first_of(group)
            closed = TransportLost(loss=Loss.HERE, error=host_shortage(first))
            if not is_thread_missing(first):
                bug = ConductorError(f"this is a bug, please report it: {first!r}", hop="here")
                closed = TransportLost(loss=Loss.HERE, error=bug)
                _log.debug("traceback", exc_info=group)
        self._session.handle(closed)

    async def _pause(self) -> None:
        """Tell why there is no connection and when the next attempt is, and wait for that."""
        outage, seconds = self._session.outage, self._session.pause
        assert outage is not None
        what, advice = outage.error.what, outage.error.advice
        if outage.attempt == 1:
            self._output.send(events.Dead(what=what, advice=advice))
        self._output.send(events.Reconnecting(seconds=seconds, what=what, advice=advice, attempt=outage.attempt))
        await trio.sleep(seconds)
        self._session.handle(PauseOver())

    async def _serve_channels(self, transport: Transport) -> None:
        """Serve one channel after the other, until the session has ended or the transport is to be discarded."""
        async with trio.open_nursery() as retired:
            is_usable = True
            while is_usable:
                error = await self._serve_channel(transport, retired)
                is_usable = error is None or await self._recover(transport, error)
            retired.cancel_scope.cancel()

    async def _recover(self, transport: Transport, error: ConductorError) -> bool:
        """Wait until a lost channel is to be followed by another; False where none is to, over this transport."""
        session = self._session
        state = session.handle(ChannelLost(loss=_classify(error), now=trio.current_time()))
        if state is State.EXPLAINING:
            is_first = session.reached is Reached.NOTHING
            state = session.handle(Explained(error=await transport.explain(error, thorough=is_first)))
        match state:
            case State.REOPENING:
                await self._pause()
                transport.forget_warnings()
            case State.AWAITING_SERVER:
                await trio.sleep(session.pause)
                session.handle(PauseOver())
            case _:
                return False
        return True

    async def _serve_channel(self, transport: Transport, retired: trio.Nursery) -> ConductorError | None:
        """Serve a channel until it ends, and return why; None once it is to be followed by another.

        Then it is still served, in `retired`, until the server closes it.
        """
        error: ConductorError | None = None
        try:
            await retired.start(self._run_channel, transport, name="control channel")
        except* ConductorError as group:
            error = _first_of_ours(group)
        except* OSError as group:
            error = host_shortage(first_of(group))
        return error

    async def _run_channel(self, transport: Transport, *, task_status: trio.TaskStatus[None]) -> None:
        """Serve a channel until the server closes it; counts as started once it is to be followed by another."""
        with contextlib.closing(await transport.connect_control()) as stream:
            channel = ControlChannel(stream, self._limits)
            banner = await self._receive_banner(channel)
            try:
                relay = os.path.join(banner.directory, RELAY_NAME)
                async with transport.open_relay(relay):
                    try:
                        if not await channel.finds_relay_open():
                            await channel.while_open(partial(transport.admit_server, relay))
                        await self._serve_session(channel, banner, transport)
                        task_status.started()
                        await channel.wait_end()
                    finally:
                        if self._is_ending():
                            self._has_left |= await channel.leave()  # noqa: ASYNC102
            except (ServerAway, LinkSilent):
                raise
            except TransportError as error:
                if await channel.closes_soon():  # noqa: ASYNC120  # and with the server goes the directory, in which to listen
                    raise ServerAway(_CLOSED) from error
                raise

    async def _receive_banner(self, channel: ControlChannel) -> Banner:
        """Wait for the greeting; raises `StartError` where the server does not know what the session needs."""
        banner = await channel.receive_banner()
        self._session.handle(Greeted(banner=banner))
        self._output.send(events.ControlConnect(path=self._settings.server.path, banner=banner.raw))
        self._session.check(banner)
        self._session.handle(Checked(banner=banner))
        self._tell_names()
        return banner

    async def _serve_session(self, channel: ControlChannel, banner: Banner, transport: Transport) -> None:
        """Register, and return when the server asks to move; raises `ConductorError` where it ends otherwise."""
        is_early = self._session.registers_early(banner) and not self._ready.is_set()
        if not is_early:
            await channel.while_open(self._ready.wait)
        accepted = await self._register(channel, banner, is_early=is_early)
        transport.note_success()
        is_shown = trio.Event()
        error: ConductorError | None = None
        prober = WayProber(
            channel, transport, self._limits, note_success=lambda: self._session.handle(WayProven())
        )
        async with trio.open_nursery() as nursery:

            async def probe() -> None:
                nonlocal error
                await self._ready.wait()
                error = await prober.run()
                nursery.cancel_scope.cancel()

            if {RESUME, PROBE} <= banner.extensions:
                nursery.start_soon(probe, name="probes of the way")
            if is_early:
                self._output.send(
                    events.Starting(token=self._settings.token, key=self._session.key, urls=accepted.urls)
                )
                nursery.start_soon(
                    self._go_live_when_ready, channel, accepted, is_shown, name="application's start"
                )
                if self._tail is not None and {RESUME, OUTPUT} <= banner.extensions:
                    nursery.start_soon(tell_output, channel, self._tail, self._ready, name="application's output")
            else:
                self._tell_live(accepted)
            error = await self._follow(channel, is_shown, prober)
            nursery.cancel_scope.cancel()
        if error is not None:
            raise error
        self._session.handle(Moved())

    async def _register(self, channel: ControlChannel, banner: Banner, *, is_early: bool) -> Accepted:
        registration = self._make_registration(banner, is_starting=is_early)
        self._session.handle(EarlyRegistrationSent() if is_early else RegistrationSent())
        accepted = await channel.register(registration)
        self._session.handle(accepted)
        self._tell_names()
        return accepted

    def _make_registration(self, banner: Banner, *, is_starting: bool) -> Registration:
        job = find_job(os.environ)
        return self._session.make_registration(
            banner, is_starting=is_starting, node=node_name(), until=job.end if job is not None else None
        )

    async def _follow(
        self, channel: ControlChannel, is_shown: trio.Event, prober: WayProber
    ) -> ConductorError | None:
        """Follow a channel until the server asks to move; otherwise return why it is of no further use.

        `is_shown` is set when the server says that visitors are shown the application from now on.
        """
        if self._idle is not None:
            self._idle.begin()
        try:
            while (event := await channel.next_event()) is not None:
                match event:
                    case Move():
                        return None
                    case Ping(idle=idle):
                        await channel.send_event(Pong(ends=self._note_idle(idle)))
                    case Stop():
                        self._stop(event)
                    case Notice():
                        self._tell_notice(event)
                    case Replaced():
                        self._session.handle(event)
                        return RegistrationRefused("another session of yours has taken the name")
                    case Ready():
                        is_shown.set()
                    case Probed():
                        prober.hear(event)
        except ConductorError as error:
            return error
        return ServerAway(_CLOSED)

    def _tell_notice(self, notice: Notice) -> None:
        """Tell what the gateway's operator has everybody know, once: each channel brings it anew."""
        if self._told.get(notice.about) != notice:
            self._told[notice.about] = notice
            self._output.send(events.Notice(about=notice.about, text=notice.text, since=notice.since))

    def _note_idle(self, idle: float | None) -> float | None:
        """Take in for how long nothing has gone through, if told; return when we end for that, if we are to."""
        return self._idle.hear(idle) if self._idle is not None and idle is not None else None

    async def _go_live_when_ready(self, channel: ControlChannel, accepted: Accepted, is_shown: trio.Event) -> None:
        await self._ready.wait()
        await channel.send_event(Ready())
        with trio.move_on_after(self._limits.show_timeout):
            await is_shown.wait()
        self._session.handle(Shown())
        self._tell_live(accepted)

    def _tell_live(self, accepted: Accepted) -> None:
        self._output.send(events.Live(token=self._settings.token, key=self._session.key, urls=accepted.urls))

    def _tell_names(self) -> None:
        if self._session.names is not None:
            self._names_settled.set()


def _first_of_ours(group: BaseExceptionGroup[ConductorError]) -> ConductorError:
    first = first_of(group)
    assert isinstance(first, ConductorError)
    return first


def _classify(error: ConductorError) -> Loss:
    """Return how a channel was lost that ended with an error."""
    match error:
        case ServerAway():
            return Loss.AWAY
        case LinkSilent():
            return Loss.SILENT
        case RegistrationRefused():
            return Loss.REFUSED
    return Loss.FAILED
