"""Application, transport and output under one roof: who ends whom, and when to dial again."""

from __future__ import annotations

import contextlib
import logging
import os
import random
import signal
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager

import attrs
import trio

from conductor_trio.client.app import STATUS_SIGNAL, Application, open_application
from conductor_trio.client.channel import ControlChannel
from conductor_trio.client.guardian import Guardian, open_guardian
from conductor_trio.client.local import open_local
from conductor_trio.client.localsocket import SocketInUse, prepare_local_socket
from conductor_trio.client.output import Output, open_output
from conductor_trio.client.settings import ClientSettings
from conductor_trio.client.ssh import open_ssh
from conductor_trio.client.transport import Transport
from conductor_trio.config import RELAY_NAME
from conductor_trio.errors import ApplicationError, ConductorError, TransportError
from conductor_trio.wire import report
from conductor_trio.wire.auth import hash_token
from conductor_trio.wire.control import Banner, Registration

EXIT_OK = 0
EXIT_FAILED = 1
EXIT_IN_USE = 2

_STDOUT = 1

_log = logging.getLogger(__name__)


async def run_client(settings: ClientSettings, stdout: int = _STDOUT) -> int:
    """Run the application and keep it reachable until it ends, or we are asked to; return the exit status."""
    asked, hurry = trio.CancelScope(), trio.Event()
    status = EXIT_OK
    with trio.open_signal_receiver(*_ending_signals()) as received:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_watch_signals, received, asked, hurry)
            async with open_output(stdout, settings.limits) as output:
                with asked:
                    status = await _run_application(settings, output, hurry)
            nursery.cancel_scope.cancel()
    return EXIT_OK if asked.cancelled_caught else status


def _ending_signals() -> list[signal.Signals]:
    # Whoever started us under nohup wants us to outlive the terminal.
    keeps_running = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    return [signal.SIGINT, signal.SIGTERM] if keeps_running else [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


async def _watch_signals(received: AsyncIterator[int], asked: trio.CancelScope, hurry: trio.Event) -> None:
    """The first signal ends everything in order, a second one at once."""
    async for number in received:
        if asked.cancel_called:
            hurry.set()
        _log.info("ending: %s", signal.Signals(number).name)
        asked.cancel()


async def _run_application(settings: ClientSettings, output: Output, hurry: trio.Event) -> int:
    """Everything between the first look at the local socket and the application's end; returns the exit status."""
    try:
        async with open_guardian(settings.limits) as guardian:
            await prepare_local_socket(settings.local_socket, replace=settings.replace, limits=settings.limits)
            async with open_application(settings, output, guardian, hurry) as application:
                return await _serve(settings, output, guardian, application)
    except ConductorError as error:
        _fail(output, str(error))
        match error:
            case SocketInUse():
                return EXIT_IN_USE
            case ApplicationError(status=status):
                return status
        return EXIT_FAILED
    except OSError as error:
        _fail(output, f"this host is short of something: {error}")
        return EXIT_FAILED


async def _serve(settings: ClientSettings, output: Output, guardian: Guardian, application: Application) -> int:
    """Keep the application reachable until it ends, or until the first dial fails; return the exit status."""
    status = EXIT_FAILED
    async with trio.open_nursery() as nursery:

        async def dial() -> None:
            _fail(output, await Connection(settings, output, guardian, application).keep_up())
            nursery.cancel_scope.cancel()

        nursery.start_soon(dial)
        status = await application.wait_ended()
        nursery.cancel_scope.cancel()
        if not application.ready.is_set():
            by = f"by signal {status - STATUS_SIGNAL}" if status > STATUS_SIGNAL else f"with status {status}"
            _fail(output, f"the application ended {by} before it listened on {settings.local_socket}")
    return status


def _fail(output: Output, reason: str) -> None:
    _log.error("%s", reason)
    output.send(report.failed(reason))


def _open_transport(settings: ClientSettings, guardian: Guardian) -> AbstractAsyncContextManager[Transport]:
    return open_local(settings) if settings.server.host is None else open_ssh(settings, guardian)


@attrs.define(eq=False)
class Connection:
    """The connection to the server, dialled again for as long as the application lives."""

    _settings: ClientSettings
    _output: Output
    _guardian: Guardian
    _application: Application
    _key: str | None = attrs.field(init=False)
    _is_live: bool = attrs.field(default=False, init=False)

    def __attrs_post_init__(self) -> None:
        self._key = self._settings.key

    async def keep_up(self) -> str:
        """Keep the application reachable; returns, with the reason, only where the first dial fails."""
        limits = self._settings.limits
        pause = limits.redial_pause
        was_ever_live = False
        while True:
            reason = await self._dial()
            was_ever_live |= self._is_live
            if not was_ever_live:
                return reason
            if self._is_live:
                self._is_live = False
                pause = limits.redial_pause
                self._output.send(report.dead(reason))
            # Half of it at random: all clients of a gateway that was restarted would come back at once.
            wait = pause * random.uniform(0.5, 1)  # noqa: S311
            _log.warning("not connected: %s; dialling again in %.1f s", reason, wait)
            await trio.sleep(wait)
            pause = min(pause * 2, limits.max_redial_pause)

    async def _dial(self) -> str:
        """Connect, register, and stay until the connection is lost; return why it was."""
        reason = "no reason known"
        try:
            async with _open_transport(self._settings, self._guardian) as transport:
                try:
                    await self._use(transport)
                except ConductorError as error:
                    raise await transport.explain(error) from error
        except* ConductorError as group:
            reason = str(_first(group))
        except* OSError as group:
            reason = f"this host is short of something: {_first(group)}"
        except* Exception as group:
            # A bug in dialling is not to cost the application its hours of work.
            reason = f"this is a bug, please report it: {_first(group)!r}"
            _log.debug("traceback", exc_info=group)
        return reason

    async def _use(self, transport: Transport) -> None:
        """Register over a transport that stands, and wait for its loss, which is a `TransportError`."""
        server = self._settings.server
        self._output.send(report.connect(server.user, server.host, server.port))
        with contextlib.ExitStack() as stack:
            channel, banner = await self._open_channel(transport, stack)
            self._output.send(report.control_connect(server.path, banner))
            async with transport.open_relay(os.path.join(banner.directory, RELAY_NAME)):
                await self._wait_ready(channel)
                token_hash = hash_token(self._settings.token.encode())
                accepted = await channel.register(Registration(auth=token_hash, key=self._key))
                # A key that the server chose keeps the address the same after the next dial.
                self._key = self._key or accepted.key
                transport.forget_warnings()
                self._is_live = True
                self._output.send(report.live(self._settings.token, self._key, accepted.urls))
                await channel.wait_closed()
                raise TransportError("the server closed the control channel")

    async def _open_channel(
        self, transport: Transport, stack: contextlib.ExitStack
    ) -> tuple[ControlChannel, Banner]:
        """Return the control channel, greeted, which `stack` closes; a server just starting is waited for."""
        limits = self._settings.limits
        deadline = trio.current_time() + limits.server_start_timeout
        pause = limits.redial_pause
        while True:
            with contextlib.ExitStack() as attempt:
                try:
                    stream = attempt.enter_context(contextlib.closing(await transport.connect_control()))
                    channel = ControlChannel(stream, limits)
                    banner = await channel.receive_banner()
                except TransportError:
                    if trio.current_time() >= deadline:
                        raise
                else:
                    stack.push(attempt.pop_all())
                    return channel, banner
            await trio.sleep(pause)
            pause *= 2

    async def _wait_ready(self, channel: ControlChannel) -> None:
        """Wait until the application listens; raises `TransportError` where the server goes first."""
        async with trio.open_nursery() as nursery:

            async def give_up() -> None:
                await channel.wait_closed()
                nursery.cancel_scope.cancel()

            nursery.start_soon(give_up)
            await self._application.ready.wait()
            nursery.cancel_scope.cancel()
        if not self._application.ready.is_set():
            raise TransportError("the server closed the control channel before the application listened")


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the first of the exceptions in nested groups."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
