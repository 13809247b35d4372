"""The server's life: what it opens, the nurseries, the signals, the order of shutdown."""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import time
from collections.abc import AsyncIterator, Iterator

import attrs
import trio

from conductor_trio.errors import StartError
from conductor_trio.limits import ServerLimits
from conductor_trio.log import Logger
from conductor_trio.net.listeners import Handler, Listener, serve_connections
from conductor_trio.net.socket_activation import open_inherited_listeners
from conductor_trio.server.lifecycle.borrowed import BorrowedRoutes
from conductor_trio.server.lifecycle.handover import (
    HandoverHost,
    Predecessor,
    Successor,
    open_predecessor,
)
from conductor_trio.server.lifecycle.listeners import Listeners, open_listeners
from conductor_trio.server.lifecycle.runtime_directory import (
    RuntimeDirectory,
    handover_path,
    open_runtime_directory,
)
from conductor_trio.server.lifecycle.service_manager import notify
from conductor_trio.server.lifecycle.successor import run_successor
from conductor_trio.server.lifecycle.tls import make_tls_context
from conductor_trio.server.proxy.context import Gateway
from conductor_trio.server.proxy.visitor import serve_visitor
from conductor_trio.server.routing.snapshot import StateFile
from conductor_trio.server.sessions.host import SessionHost
from conductor_trio.server.sessions.inotify import DirectoryMonitor
from conductor_trio.server.settings import ServerSettings

_POLL_PAUSE = 0.02  # between two looks at what nothing announces
_ENDING = (signal.SIGTERM, signal.SIGINT)


async def run_server(settings: ServerSettings, log: Logger) -> None:
    """Serve until SIGTERM or SIGINT, or until a successor does; raises `ConfigError` or `StartError` before that.

    On the first signal: accept no more, tell the clients, let running exchanges finish for the grace period, end
    the sessions, remove what was made. On a second one: the same without the grace period. On SIGHUP: start a
    successor.
    """
    gateway = Gateway.from_settings(settings, log)
    tls = make_tls_context(settings.tls) if settings.tls else None
    async with contextlib.AsyncExitStack() as stack:
        # First, so that a signal cannot come between making something and being able to remove it.
        signals = stack.enter_context(trio.open_signal_receiver(*_ENDING, signal.SIGHUP))
        watcher = stack.enter_context(_open_watcher(settings.limits))
        inherited = stack.enter_context(open_inherited_listeners(os.environ))
        predecessor = None
        if settings.take_over:
            path = handover_path(settings.runtime_dir)
            predecessor = await stack.enter_async_context(open_predecessor(path, settings.limits))
        place = None if predecessor is None else predecessor.place
        runtime = stack.enter_context(open_runtime_directory(settings.runtime_dir, log, place=place))
        handed = () if predecessor is None else predecessor.listeners
        listeners = stack.enter_context(open_listeners(settings, runtime, inherited, handed))
        state = StateFile(runtime.state, log)
        expected, lent = (state.read(), ()) if predecessor is None else await predecessor.take()
        server = _Server(
            gateway=gateway,
            runtime=runtime,
            listeners=listeners,
            state=state,
            watcher=watcher,
            signals=signals,
            lent=BorrowedRoutes(lent, gateway.routes, settings.limits),
        )
        if expected is not None:  # all but those that are lent
            gateway.routes.restore(expected.routes, expected.since)
        await server.run(functools.partial(serve_visitor, gateway=gateway, tls=tls), predecessor)


@attrs.define(eq=False, kw_only=True)
class _Server:
    """What has been opened, and what is done with it."""

    gateway: Gateway
    runtime: RuntimeDirectory
    listeners: Listeners
    state: StateFile
    watcher: DirectoryMonitor
    signals: AsyncIterator[int]
    lent: BorrowedRoutes
    _is_handed: bool = attrs.field(default=False, init=False)  # a successor accepts
    _upgrade: trio.CancelScope | None = attrs.field(default=None, init=False)

    async def run(self, serve_visitor: Handler, predecessor: Predecessor | None) -> None:
        """Serve to the end; the predecessor hears as soon as we accept."""
        gateway, limits = self.gateway, self.gateway.limits
        host = SessionHost(gateway, self.runtime.sockets, self.watcher)
        grace = trio.CancelScope()
        _log_start(gateway.log, gateway.settings, self.listeners)
        notify(f"MAINPID={os.getpid()}", "READY=1")
        async with trio.open_nursery() as sessions:
            sessions.start_soon(self.watcher.run)
            sessions.start_soon(gateway.run)
            with grace:
                async with trio.open_nursery() as visitors:
                    while True:
                        async with trio.open_nursery() as accepting:
                            self._start_accepting(accepting, visitors, serve_visitor, sessions, host.serve)
                            if predecessor is not None:
                                await predecessor.confirm()
                                self.listeners.claim_paths()
                                sessions.start_soon(predecessor.use, self.lent)
                                predecessor = None
                            successor = await self._wait_for_end(sessions)
                            accepting.cancel_scope.cancel()
                        if successor is None or await self._hand_over(successor):
                            break
                    await self._stop_accepting()
                    grace.deadline = trio.current_time() + limits.grace_timeout
                    gateway.begin_drain()
                    sessions.start_soon(self._force_exit, grace)
                    if successor is not None:
                        visitors.start_soon(self._lend_sessions, successor)
                    elif self.listeners.inherited:
                        sessions.start_soon(self._end_grace_early, grace)
            sessions.cancel_scope.cancel()
        gateway.log.info("stopped")

    def _start_accepting(
        self,
        accepting: trio.Nursery,
        visitors: trio.Nursery,
        serve_visitor: Handler,
        sessions: trio.Nursery,
        serve_client: Handler,
    ) -> None:
        log = self.gateway.log
        accept = functools.partial(serve_connections, on_shortage=functools.partial(_log_shortage, log))
        for listener in self.listeners.public:
            accepting.start_soon(accept, listener.sock, serve_visitor, visitors)
        accepting.start_soon(accept, self.listeners.control.sock, serve_client, sessions)
        accepting.start_soon(self.state.keep, self.gateway.routes, self.gateway.limits)

    async def _wait_for_end(self, sessions: trio.Nursery) -> Successor | None:
        """Return a server that is ready to take our place, None once a signal tells us to end."""
        host = HandoverHost(self.listeners, self.runtime.place, self.gateway.limits, self.gateway.log)
        successor: Successor | None = None
        async with trio.open_nursery() as nursery:

            async def await_successor() -> None:
                nonlocal successor
                successor = await host.wait_successor()
                # Requests that wait for a session can only go on here, and what is lent to us is not ours to lend.
                with trio.move_on_after(self.gateway.limits.handover_timeout / 2):
                    while self.gateway.parked.total or self.lent.are_used:  # noqa: ASYNC110
                        await trio.sleep(_POLL_PAUSE)
                nursery.cancel_scope.cancel()

            nursery.start_soon(await_successor)
            async for number in self.signals:
                # The end of a terminal that it was started at is the server's.
                if number == signal.SIGHUP and not os.isatty(0):
                    if self._upgrade is None:
                        sessions.start_soon(self._run_upgrade)
                    continue
                nursery.cancel_scope.cancel()
                break
        return successor

    async def _run_upgrade(self) -> None:
        notify("RELOADING=1", f"MONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")
        with trio.CancelScope() as self._upgrade:
            await run_successor(self.gateway.limits, self.gateway.log, lambda: self._is_handed)
        self._upgrade = None
        if not self._is_handed:
            notify("READY=1")

    async def _hand_over(self, successor: Successor) -> bool:
        """Return whether a successor accepts now, in our place."""
        self._is_handed = await successor.hand_over(self.gateway.routes)
        if not self._is_handed:
            successor.close()
            self.gateway.log.error("handover_failed", error="the successor ended, or did not answer in time")
        return self._is_handed

    async def _lend_sessions(self, successor: Successor) -> None:
        """Keep our sessions for a successor, until their clients have registered over there."""
        with contextlib.closing(successor):
            await successor.wait_released()

    async def _stop_accepting(self) -> None:
        gateway = self.gateway
        event = "handed_over" if self._is_handed else "stopping"
        gateway.log.info(event, visitors=gateway.visitors, sessions=len(gateway.routes))
        if self._upgrade is not None:
            self._upgrade.cancel()
        if self._is_handed:
            self.listeners.release_paths()
        else:
            notify("STOPPING=1")
            await self.state.write(gateway.routes, gateway.limits)
        self.listeners.close()
        self.runtime.release_ownership()

    async def _end_grace_early(self, grace: trio.CancelScope) -> None:
        """End the grace period when someone waits for our successor, which may only come when we have ended."""
        async with trio.open_nursery() as nursery:

            async def wait_for_anybody(listener: Listener) -> None:
                await trio.lowlevel.wait_readable(listener.sock)
                nursery.cancel_scope.cancel()

            for listener in self.listeners.inherited:
                nursery.start_soon(wait_for_anybody, listener)
        await trio.sleep(self.gateway.limits.successor_pause)
        while self.gateway.exchanges > self.gateway.parked.total:  # noqa: ASYNC110
            await trio.sleep(_POLL_PAUSE)
        grace.cancel()

    async def _force_exit(self, grace: trio.CancelScope) -> None:
        """End the grace period at a second signal."""
        async for number in self.signals:
            if number in _ENDING:
                grace.cancel()


@contextlib.contextmanager
def _open_watcher(limits: ServerLimits) -> Iterator[DirectoryMonitor]:
    try:
        watcher = DirectoryMonitor(limits)
    except OSError as error:
        raise StartError(
            f"no inotify descriptor left ({error.strerror})", advice="raise fs.inotify.max_user_instances"
        ) from error
    with watcher:
        yield watcher


def _log_start(log: Logger, settings: ServerSettings, listeners: Listeners) -> None:
    addresses = [listener.path or listener.sock.getsockname()[:2] for listener in listeners.public]
    log.info(
        "listening",
        pid=os.getpid(),
        addresses=addresses,
        tls=settings.tls is not None,
        runtime_dir=settings.runtime_dir,
        patterns=settings.patterns,
    )


def _log_shortage(log: Logger, error: OSError) -> None:
    log.warning("cannot_accept", error=error.strerror)
