"""The server's composition root: opens everything, wires the planes together, and owns the nurseries.

::

    run_server
    └─ sessions            ends last, cancelled when no visitor is left
       ├─ directory monitor, control plane's and data plane's own tasks, use of a predecessor's sessions
       ├─ one task for each client that accepts
       └─ visitors         within the grace period's scope
          ├─ one task for each visitor's connection
          └─ accepting     cancelled at the first signal, or when a successor is ready
             └─ one task for each listener, the state file
"""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import socket
import time
from collections.abc import AsyncIterator

import attrs
import trio

from conductor_trio.limits.server import ServerLimits
from conductor_trio.log import Logger
from conductor_trio.net.listeners import Handler
from conductor_trio.net.socket_activation import open_inherited_listeners
from conductor_trio.server.accounts.counters import Counters
from conductor_trio.server.accounts.descriptors import allowed_descriptors, fit_limits, is_less, needed_descriptors
from conductor_trio.server.accounts.ledger import Ledger
from conductor_trio.server.admin.host import AdminHost
from conductor_trio.server.admin.peers import Operators
from conductor_trio.server.admin.service import AdminService
from conductor_trio.server.lifecycle.access_feed import AccessFeed
from conductor_trio.server.lifecycle.borrowed import BorrowedSessions, is_exportable
from conductor_trio.server.lifecycle.handover import HandoverHost, Predecessor, Successor, open_predecessor
from conductor_trio.server.lifecycle.listeners import Listeners, open_listeners
from conductor_trio.server.lifecycle.plain_http import find_plain_http
from conductor_trio.server.lifecycle.runtime_directory import (
    RuntimeDirectory,
    handover_path,
    open_runtime_directory,
)
from conductor_trio.server.lifecycle.service_manager import notify
from conductor_trio.server.lifecycle.shutdown import ENDING_SIGNALS, Shutdown
from conductor_trio.server.lifecycle.state_file import StateFile
from conductor_trio.server.lifecycle.successor import run_successor
from conductor_trio.server.lifecycle.tls import make_tls_context
from conductor_trio.server.lifecycle.upkeep import Upkeep
from conductor_trio.server.orders.orders import Orders
from conductor_trio.server.orders.saved import restore_orders
from conductor_trio.server.ownpages.pages import OwnPages
from conductor_trio.server.proxy.context import ProxyContext
from conductor_trio.server.proxy.visitor import serve_visitor
from conductor_trio.server.routing.table import Clock, RouteTable
from conductor_trio.server.sessions.context import SessionContext
from conductor_trio.server.sessions.host import SessionHost
from conductor_trio.server.sessions.inotify import DirectoryMonitor
from conductor_trio.server.sessions.owner_service import OwnerService
from conductor_trio.server.settings import ServerSettings
from conductor_trio.shared_directory import find_shared_directory


async def run_server(settings: ServerSettings, log: Logger) -> None:
    """Serve until SIGTERM or SIGINT, or until a successor does; raises `ConfigError` or `StartError` before that.

    On the first signal: accept no more, tell the clients, let running exchanges finish for the grace period, end
    the sessions, remove what was made. On a second one: the same without the grace period. On SIGHUP: start a
    successor.
    """
    wanted = settings.limits
    settings = attrs.evolve(settings, limits=fit_limits(wanted, allowed_descriptors()))
    planes = make_planes(settings, log)
    tls = make_tls_context(settings.tls) if settings.tls else None
    async with contextlib.AsyncExitStack() as stack:
        # First, so that a signal cannot come between making something and being able to remove it.
        signals = stack.enter_context(trio.open_signal_receiver(*ENDING_SIGNALS, signal.SIGHUP))
        monitor = stack.enter_context(DirectoryMonitor(settings.limits))
        if not monitor.is_told:
            log.warning("no_inotify", advice="raise fs.inotify.max_user_instances; until then we look")
        inherited = stack.enter_context(open_inherited_listeners(os.environ))
        predecessor = None
        if settings.take_over:
            path = handover_path(settings.runtime_dir)
            predecessor = await stack.enter_async_context(open_predecessor(path, settings.limits))
        ownership = None if predecessor is None else predecessor.ownership
        runtime = stack.enter_context(open_runtime_directory(settings.runtime_dir, ownership=ownership))
        handed = () if predecessor is None else predecessor.listeners
        listeners = stack.enter_context(open_listeners(settings, runtime, inherited, handed))
        state = StateFile(runtime.state, planes.routes, settings.limits, log, planes.orders)
        snapshot = state.read() if predecessor is None else await predecessor.take()
        lent = filter(is_exportable, snapshot.routes) if snapshot and predecessor else ()
        borrowed = BorrowedSessions(lent, planes.routes, planes.proxy.runtimes)
        if snapshot is not None:  # all but those that are lent
            planes.routes.restore(snapshot)
            restore_orders(planes.orders, snapshot.orders, time.time())
        feed = AccessFeed(planes.routes, planes.sessions.records)
        if predecessor is None:
            feed.close()
        server = _Server(
            settings=settings,
            wanted=wanted,
            log=log,
            planes=planes,
            runtime=runtime,
            listeners=listeners,
            state=state,
            monitor=monitor,
            signals=signals,
            borrowed=borrowed,
            feed=feed,
        )
        await server.run(functools.partial(serve_visitor, context=planes.proxy, tls=tls), predecessor)


@attrs.frozen(kw_only=True, eq=False)
class Planes:
    """The control plane and the data plane, over what they share, and the operator's way to both."""

    routes: RouteTable
    ledger: Ledger
    counters: Counters
    orders: Orders
    sessions: SessionContext
    service: OwnerService
    admin: AdminHost
    proxy: ProxyContext


def make_planes(settings: ServerSettings, log: Logger) -> Planes:
    """Return a server's planes, wired together, without routes; raises `ConfigError` and `StartError`."""
    limits = settings.limits
    routes = RouteTable(limits, Clock(monotonic=trio.current_time, wall=time.time))
    ledger, counters, orders = Ledger(limits), Counters(), Orders()
    sessions = SessionContext.make(settings, log, routes=routes, ledger=ledger, counters=counters, orders=orders)
    service = OwnerService(sessions)
    operators = Operators.of_group(settings.admin_group)
    admin = AdminHost(AdminService(sessions, service, log), operators, ledger, limits, log)
    proxy = ProxyContext(
        settings=settings,
        log=log,
        routes=routes,
        ledger=ledger,
        holdings=sessions.holdings,
        counters=counters,
        reports=service,
        own_pages=OwnPages(service, routes, limits, orders),
        orders=orders,
    )
    return Planes(
        routes=routes,
        ledger=ledger,
        counters=counters,
        orders=orders,
        sessions=sessions,
        service=service,
        admin=admin,
        proxy=proxy,
    )


@attrs.define(eq=False, kw_only=True)
class _Server:
    """What has been opened, and what is done with it."""

    settings: ServerSettings
    wanted: ServerLimits  # before they were fitted to the descriptors that there are
    log: Logger
    planes: Planes
    runtime: RuntimeDirectory
    listeners: Listeners
    state: StateFile
    monitor: DirectoryMonitor
    signals: AsyncIterator[int]
    borrowed: BorrowedSessions
    feed: AccessFeed
    _is_handed: bool = attrs.field(default=False, init=False)  # a successor accepts
    _reload: trio.CancelScope | None = attrs.field(default=None, init=False)  # while a successor is started

    async def run(self, serve: Handler, predecessor: Predecessor | None) -> None:
        """Serve to the end; the predecessor hears as soon as we accept."""
        planes = self.planes
        host = SessionHost(planes.sessions, planes.service, self.runtime.sockets, self.monitor)
        for path in self.runtime.left:
            host.leftovers.take(path, None)
        shutdown = Shutdown(
            proxy=planes.proxy,
            sessions=planes.sessions,
            routes=planes.routes,
            listeners=self.listeners,
            runtime=self.runtime,
            state=self.state,
            signals=self.signals,
            limits=self.settings.limits,
            log=self.log,
        )
        _warn_of_shared(self.log, self.settings, self.runtime)
        _log_start(self.log, self.settings, self.listeners)
        if is_less(self.settings.limits, self.wanted):
            _log_few_files(self.log, self.settings.limits, self.wanted)
        notify(f"MAINPID={os.getpid()}", "READY=1")
        async with trio.open_nursery() as sessions:
            sessions.start_soon(self.monitor.run, name="directory monitor")
            sessions.start_soon(planes.sessions.run, name="control plane")
            sessions.start_soon(host.run, name="leftovers of sessions")
            sessions.start_soon(planes.proxy.run, name="data plane")
            with shutdown.grace:
                async with trio.open_nursery() as visitors:
                    successor = await self._serve(serve, host.serve, visitors, sessions, predecessor)
                    if self._reload is not None:
                        self._reload.cancel()
                    await shutdown.begin(successor, visitors, sessions)
            sessions.cancel_scope.cancel()
        self.log.info("stopped")

    async def _serve(
        self,
        serve_visitor: Handler,
        serve_client: Handler,
        visitors: trio.Nursery,
        sessions: trio.Nursery,
        predecessor: Predecessor | None,
    ) -> Successor | None:
        """Accept until a signal ends the server, or return the successor that accepts in our place."""
        while True:
            async with trio.open_nursery() as accepting:
                self._start_accepting(accepting, visitors, serve_visitor, sessions, serve_client)
                if predecessor is not None:
                    await predecessor.confirm()
                    self.listeners.claim_paths()
                    sessions.start_soon(predecessor.use, self.borrowed, self.feed, name="sessions borrowed")
                    predecessor = None
                successor = await self._wait_for_end(sessions)
                accepting.cancel_scope.cancel()
            if successor is None or await self._hand_over(successor):
                return successor

    def _start_accepting(
        self,
        accepting: trio.Nursery,
        visitors: trio.Nursery,
        serve_visitor: Handler,
        sessions: trio.Nursery,
        serve_client: Handler,
    ) -> None:
        for listener in self.listeners.public:
            # What comes through a socket of this host is a front proxy's, which has its own measures.
            pace = None if listener.sock.family == socket.AF_UNIX else self.planes.ledger.wait_for_strangers
            accept = functools.partial(
                listener.serve, on_shortage=self._note_shortage, task_name="visitor", pace=pace
            )
            accepting.start_soon(accept, serve_visitor, visitors, name="accept visitors")
        # Whoever is cut off by a hand-over asks the successor.
        accept = functools.partial(
            self.listeners.admin.serve, on_shortage=self._note_shortage, task_name="operator"
        )
        accepting.start_soon(accept, self.planes.admin.serve, accepting, name="accept operators")
        control = self.listeners.control
        accept = functools.partial(control.serve, on_shortage=self._note_shortage, task_name="client")
        accepting.start_soon(accept, serve_client, sessions, name="accept clients")
        upkeep = Upkeep(runtime=self.runtime, listeners=self.listeners, limits=self.settings.limits, log=self.log)
        accepting.start_soon(upkeep.run, name="upkeep of the runtime directory")
        accepting.start_soon(self.state.keep, name="state file")

    def _note_shortage(self, error: OSError) -> None:
        self.log.warning("cannot_accept", error=error.strerror)
        self.planes.proxy.places.make_room()

    async def _wait_for_end(self, sessions: trio.Nursery) -> Successor | None:
        """Return a server that is ready to take our place, None once a signal tells us to end."""
        limits = self.settings.limits
        host = HandoverHost(self.listeners, self.runtime.ownership, limits, self.log)
        successor: Successor | None = None
        async with trio.open_nursery() as nursery:

            async def await_successor() -> None:
                nonlocal successor
                successor = await host.wait_successor()
                # Requests that wait for a session can only go on here, and what is lent to us is not ours to lend.
                with trio.move_on_after(limits.handover_timeout / 2):
                    while self.planes.proxy.parked.total or self.borrowed:
                        await self.planes.proxy.wait_parked_empty()
                        await self.borrowed.wait_ended()
                nursery.cancel_scope.cancel()

            nursery.start_soon(await_successor, name="hand-over host")
            async for number in self.signals:
                # The end of a terminal that it was started at is the server's.
                if number == signal.SIGHUP and not os.isatty(0):
                    if self._reload is None:
                        sessions.start_soon(self._run_reload, name="start of a successor")
                    continue
                nursery.cancel_scope.cancel()
                break
        return successor

    async def _run_reload(self) -> None:
        notify("RELOADING=1", f"MONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")
        with trio.CancelScope() as self._reload:
            await run_successor(self.settings.limits, self.log, lambda: self._is_handed)
        self._reload = None
        if not self._is_handed:
            notify("READY=1")

    async def _hand_over(self, successor: Successor) -> bool:
        """Return whether a successor accepts now, in our place."""
        self._is_handed = await successor.hand_over(self.planes.routes, self.planes.orders)
        if not self._is_handed:
            successor.close()
            self.log.error("handover_failed", error="the successor ended, or did not answer in time")
        return self._is_handed


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
    reached = (listener.sock for listener in listeners.public if listener.sock.family != socket.AF_UNIX)
    if (plain := find_plain_http(settings, (sock.getsockname()[0] for sock in reached))) is not None:
        log.warning("plain_http", what=plain.what, advice=plain.advice)


def _warn_of_shared(log: Logger, settings: ServerSettings, runtime: RuntimeDirectory) -> None:
    for path in filter(None, (runtime.control, settings.socket)):
        if (directory := find_shared_directory(path)) is not None:
            log.warning("open_to_others", path=path, directory=directory)  # who could listen there in our place


def _log_few_files(log: Logger, fitted: ServerLimits, wanted: ServerLimits) -> None:
    log.warning(
        "few_open_files",
        allowed=allowed_descriptors(),
        needed=needed_descriptors(wanted),
        max_visitors=fitted.max_visitors,
        max_sessions=fitted.max_sessions,
    )
