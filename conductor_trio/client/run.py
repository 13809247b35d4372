"""The composition root of the client: application, session and output, and who ends whom."""

from __future__ import annotations

import contextlib
import logging
import math
import os
import signal
from collections.abc import AsyncIterator, Iterator
from functools import partial
from typing import TYPE_CHECKING

import attrs
import trio

from conductor_trio import exit_status
from conductor_trio.client.application.application import Application, open_application
from conductor_trio.client.application.launch import make_launch_spec, plan_port
from conductor_trio.client.application.lookup import add_advice, look_up
from conductor_trio.client.application.start_watch import StartWatch
from conductor_trio.client.application.upkeep import Upkeep
from conductor_trio.client.chosen_output import make_link_maker, open_chosen_output
from conductor_trio.client.config.settings import ClientSettings
from conductor_trio.client.host.application_socket import ApplicationSocket, open_application_socket
from conductor_trio.client.host.cleanup import Cleanup, open_cleanup
from conductor_trio.client.host.link_file import LinkFile, open_link_file
from conductor_trio.client.host.local_socket import SocketInUse, prepare_local_socket
from conductor_trio.client.host.temp_directory import HeldDirectory, open_directory
from conductor_trio.client.output import events
from conductor_trio.client.output.reporter import LinkReporter, Reporter, warn
from conductor_trio.client.output.writer import Output
from conductor_trio.client.token_warnings import warn_of_readers, warn_of_token
from conductor_trio.errors import ApplicationError, ConductorError, first_of, host_shortage
from conductor_trio.limits.client import ClientLimits

if TYPE_CHECKING:
    from conductor_trio.client.application.idle import IdleWatch
    from conductor_trio.client.isolation.plan import PortPlan
    from conductor_trio.client.session.keeper import Connection
    from conductor_trio.client.session.link_maker import LinkMaker
    from conductor_trio.control.messages import Accepted

_STDOUT = 1

_SHARED = (
    "other users of this host can put a socket of theirs at {path}, as {shared} is open to them; lest it be taken "
    "for the application, each connection goes through this program, which costs speed; choose a directory that "
    "only you can write to"
)

_log = logging.getLogger(__name__)


async def run_client(settings: ClientSettings, stdout: int = _STDOUT) -> int:
    """Run the application and keep it reachable until it ends, or we are asked to; return the exit status."""
    wish = _Wish()
    status = exit_status.OK
    if settings.link_file is None or not settings.has_display:
        warn_of_readers(stdout)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _ending_signals())  # whoever started us may have blocked them
    with trio.open_signal_receiver(*_ending_signals()) as received:
        links = make_link_maker(settings)
        async with open_chosen_output(settings, stdout, links) as output, trio.open_nursery() as nursery:
            watcher = _SignalWatcher(output=output, wish=wish, limits=settings.limits)
            nursery.start_soon(watcher.run, received, name="client: signals")
            with wish.scope:
                status = await _run_application(settings, output, wish, links)
            nursery.cancel_scope.cancel()
    return exit_status.OK if wish.was_heeded or wish.scope.cancelled_caught else status


def _ending_signals() -> list[signal.Signals]:
    # Whoever started us under nohup wants us to outlive the terminal.
    keeps_running = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    return [signal.SIGINT, signal.SIGTERM] if keeps_running else [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


@attrs.define(eq=False)
class _Wish:
    """The wish that we end, whoever has it: cancels `scope`, or what runs in order while there is such a thing."""

    scope: trio.CancelScope = attrs.field(factory=trio.CancelScope, init=False)
    is_there: bool = attrs.field(default=False, init=False)
    was_heeded: bool = attrs.field(default=False, init=False)  # so that the application's status is none of ours
    #: Set by a second wish: at once.
    hurry: trio.Event = attrs.field(factory=trio.Event, init=False)
    _running: trio.CancelScope | None = attrs.field(default=None, init=False)

    def ask(self) -> None:
        """Have us end, in order."""
        self.is_there = True
        (self._running or self.scope).cancel()

    @contextlib.contextmanager
    def heeded(self) -> Iterator[None]:
        """Within, the wish cancels no more than this, so that what follows can end in order."""
        with trio.CancelScope() as self._running:
            yield
        self.was_heeded = self._running.cancelled_caught
        self._running = None


@attrs.frozen(kw_only=True)
class _SignalWatcher:
    """Ends everything in order at the first signal, at once at a second one."""

    output: Output
    wish: _Wish
    limits: ClientLimits

    async def run(self, received: AsyncIterator[int]) -> None:
        """Act on signals until cancelled."""
        begun = -math.inf
        async for number in received:
            name = signal.Signals(number).name
            if not self.wish.is_there:
                self.output.send(events.Ending(signal=name))
                begun = trio.current_time()
                self.wish.ask()
            elif trio.current_time() > begun + self.limits.signal_debounce:
                _log.info("ending at once: %s", name)
                self.wish.hurry.set()


async def _run_application(settings: ClientSettings, output: Output, wish: _Wish, links: LinkMaker | None) -> int:
    """Run the application, from the check of the local socket to its end; return the exit status."""
    status = exit_status.FAILED
    try:
        async with (
            open_cleanup(settings.limits) as cleanup,
            _open_link_file(settings, cleanup) as link_file,
            _open_local_socket(settings, cleanup, output) as (local_socket, directory),
        ):
            plan = await _check_port(settings, output)
            async with open_application(output, cleanup, settings.limits, wish.hurry) as application:
                run = _Run(
                    settings=settings,
                    output=output,
                    cleanup=cleanup,
                    local_socket=local_socket,
                    directory=directory,
                    link_file=link_file,
                    plan=plan,
                    application=application,
                    wish=wish,
                    links=links,
                )
                status = await run.serve()
    except* ConductorError as group:
        error = first_of(group)
        assert isinstance(error, ConductorError)
        output.send(events.make_failed(add_advice(error, settings, os.environ)))
        match error:
            case SocketInUse():
                status = exit_status.SOCKET_IN_USE
            case ApplicationError(status=status):
                pass
    except* OSError as group:
        output.send(events.make_failed(host_shortage(first_of(group))))
    return status


@contextlib.asynccontextmanager
async def _open_link_file(settings: ClientSettings, cleanup: Cleanup) -> AsyncIterator[LinkFile | None]:
    """Give the file for the link, if there is to be one; a former client's is gone, whatever is missing then."""
    with open_link_file(settings.link_file, cleanup) as file:
        look_up(settings.launch.command[0], {**os.environ, **settings.launch.environment})
        yield file


@contextlib.asynccontextmanager
async def _open_local_socket(
    settings: ClientSettings, cleanup: Cleanup, output: Output
) -> AsyncIterator[tuple[ApplicationSocket, HeldDirectory | None]]:
    """Give the socket where the application is to listen, its path free, and a directory of our choice, if any.

    That is gone on leaving.
    """
    with contextlib.ExitStack() as stack:
        path, directory = settings.local_socket, None
        if path is None:
            directory = stack.enter_context(open_directory(cleanup, "app_directory"))
            path = os.path.join(directory.path, "socket")
        await prepare_local_socket(path, replace=settings.replace, limits=settings.limits)
        local_socket = stack.enter_context(open_application_socket(path, settings.socket_user))
        if local_socket.shared is not None:
            text = _SHARED.format(path=path, shared=local_socket.shared)
            warn(output, text, is_event=settings.registers_early)
        yield local_socket, directory


async def _check_port(settings: ClientSettings, output: Output) -> PortPlan | None:
    """Return how an application with a TCP port runs, if it is one; raises `StartError` where that cannot be."""
    plan = plan_port(settings)
    if plan is None:
        return None
    await plan.check()
    if plan.notice:
        output.send(events.Warned(text=plan.notice))
    return plan


@attrs.frozen(kw_only=True)
class _Run:
    """A run of the application and of its session with the gateway."""

    settings: ClientSettings
    output: Output
    cleanup: Cleanup
    local_socket: ApplicationSocket
    directory: HeldDirectory | None
    link_file: LinkFile | None
    plan: PortPlan | None
    application: Application
    wish: _Wish
    links: LinkMaker | None

    async def serve(self) -> int:
        """Keep the application reachable until it ends, or until the first dial fails; return the exit status."""
        status = exit_status.FAILED
        if not self.settings.wants_names:
            await self._start(None)
        idle = self._make_idle_watch()
        connection = self._make_connection(idle)
        async with trio.open_nursery() as session:

            async def dial() -> None:
                self.output.send(events.make_failed(await connection.keep_up()))
                session.cancel_scope.cancel()

            session.start_soon(dial, name="client: session")
            with self.wish.heeded():
                status = await self._run_to_end(connection, idle)
            # While its visitors are still connected: what it says to them when it ends arrives.
            await self.application.end()
            session.cancel_scope.cancel()
        return status

    def _make_connection(self, idle: IdleWatch | None) -> Connection:
        # Imported only now: it takes 20 ms, in which the application can start already.
        from conductor_trio.client.session.keeper import Connection
        from conductor_trio.client.transport.open import open_transport

        open_way = partial(open_transport, self.settings, self.local_socket, self.cleanup, self.output)
        return Connection(
            self.settings,
            self._make_reporter(),
            open_way if self.links is None else partial(self.links.over, open_way),
            self.application.ready,
            lambda: self.wish.is_there or self.application.is_over,
            stop=lambda stop: self._stop(events.make_stopping(stop)),
            idle=idle,
            hurry=self.wish.hurry,
            tail=self.application.tail,
        )

    def _make_reporter(self) -> Reporter:
        """Return where the session reports to."""
        reporter = warn_of_token(self.settings, self.output)
        return reporter if self.link_file is None else LinkReporter(reporter, self.link_file.write)

    async def _run_to_end(self, connection: Connection, idle: IdleWatch | None) -> int:
        """Wait until the application ends by itself, and return its status."""
        status = exit_status.FAILED
        async with trio.open_nursery() as nursery:
            if idle is not None:
                nursery.start_soon(idle.run, name="client: idle time-out")
            if self.settings.wants_names:
                await self._start(await connection.wait_names())
            watch = StartWatch(
                settings=self.settings,
                plan=self.plan,
                application=self.application,
                output=self.output,
                local_socket=self.local_socket.path,
            )
            nursery.start_soon(watch.run, name="client: look where the application listens")
            upkeep = Upkeep(
                socket=self.local_socket,
                directory=self.directory,
                output=self.output,
                limits=self.settings.limits,
            )
            nursery.start_soon(upkeep.run, self.application.ready, name="client: upkeep")
            status = await self.application.wait_ended()
            if not self.application.ready.is_set():
                await self._explain_end(status)
            nursery.cancel_scope.cancel()
        return status

    async def _start(self, names: Accepted | None) -> None:
        start = make_launch_spec(self.settings, self.local_socket.path, self.plan, names)
        await self.application.start(start, self.local_socket, self.settings.launch.ready)

    async def _explain_end(self, status: int) -> None:
        """Tell why the application ended before it was ready; what it has left in the background is ended."""
        from conductor_trio.client.application.background import end_background, explain_end, find_background

        background = None
        if status == exit_status.OK:
            background = await find_background(self.settings, self.local_socket.path)
        if background is not None and background.is_listening:
            await end_background(background, self.settings.limits)
        self.output.send(explain_end(self.settings, status, self.local_socket.path, background))

    def _make_idle_watch(self) -> IdleWatch | None:
        if self.settings.idle is None:
            return None
        from conductor_trio.client.application.idle import IdleWatch

        return IdleWatch(
            self.settings.idle,
            self.output,
            limits=self.settings.limits,
            busy=self.settings.busy,
            socket=self.local_socket,
            is_ready=self.application.ready.is_set,
            stop=lambda why: self._stop(events.Stopping(by="idle", why=why)),
        )

    def _stop(self, event: events.Stopping) -> None:
        """End the application as a signal does."""
        if not self.wish.is_there:
            self.output.send(event)
            self.wish.ask()
