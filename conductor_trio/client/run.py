"""Application, connection and output under one roof: who ends whom."""

from __future__ import annotations

import logging
import signal
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager

import trio

from conductor_trio.client.app import STATUS_SIGNAL, Application, open_application
from conductor_trio.client.connection import Connection
from conductor_trio.client.guardian import Guardian, open_guardian
from conductor_trio.client.local import open_local
from conductor_trio.client.localsocket import SocketInUse, prepare_local_socket
from conductor_trio.client.output import Output, open_output
from conductor_trio.client.settings import ClientSettings
from conductor_trio.client.ssh import open_ssh
from conductor_trio.client.transport import Transport
from conductor_trio.errors import ApplicationError, ConductorError
from conductor_trio.wire import report

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
                    status = await _run_application(settings, output, asked, hurry)
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


async def _run_application(
    settings: ClientSettings, output: Output, asked: trio.CancelScope, hurry: trio.Event
) -> int:
    """Everything between the first look at the local socket and the application's end; returns the exit status."""
    try:
        async with open_guardian(settings.limits) as guardian:
            await prepare_local_socket(settings.local_socket, replace=settings.replace, limits=settings.limits)
            async with open_application(settings, output, guardian, hurry) as application:
                return await _serve(settings, output, guardian, application, asked)
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


async def _serve(
    settings: ClientSettings,
    output: Output,
    guardian: Guardian,
    application: Application,
    asked: trio.CancelScope,
) -> int:
    """Keep the application reachable until it ends, or until the first dial fails; return the exit status."""
    status = EXIT_FAILED

    def is_ending() -> bool:
        return asked.cancel_called or application.process.returncode is not None

    def open_transport() -> AbstractAsyncContextManager[Transport]:
        return open_local(settings) if settings.server.host is None else open_ssh(settings, guardian)

    connection = Connection(settings, output, open_transport, application.ready, is_ending)
    async with trio.open_nursery() as nursery:

        async def dial() -> None:
            _fail(output, await connection.keep_up())
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
