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
from typing import Any

import attrs
import trio

from conductor_trio.configuration.configured import Configuration
from conductor_trio.configuration.report import describe
from conductor_trio.limits.server import ServerLimits
from conductor_trio.log import Logger
from conductor_trio.net.listeners import Handler
from conductor_trio.net.poller import EdgePoller
from conductor_trio.net.socket_activation import open_inherited_listeners
from conductor_trio.server.accounts.counters import Counters
from conductor_trio.server.accounts.ledger import Ledger
from conductor_trio.server.admin.entries import make_entries
from conductor_trio.server.admin.host import AdminHost
from conductor_trio.server.admin.peers import Operators
from conductor_trio.server.admin.service import AdminService
from conductor_trio.server.dashboard.console import Console, open_console, run_console
from conductor_trio.server.lifecycle.access_feed import AccessFeed
from conductor_trio.server.lifecycle.borrowed import BorrowedSessions, is_exportable
from conductor_trio.server.lifecycle.garbage import collect_garbage
from conductor_trio.server.lifecycle.handover import HandoverHost, Predecessor, Successor, open_predecessor
from conductor_trio.server.lifecycle.listeners import Listeners, open_listeners
from conductor_trio.server.lifecycle.logo import load_house
from conductor_trio.server.lifecycle.runtime_directory import (
    RuntimeDirectory,
    handover_path,
    open_runtime_directory,
)
from conductor_trio.server.lifecycle.service_manager import notify
from conductor_trio.server.lifecycle.shutdown import Shutdown, open_signals
from conductor_trio.server.lifecycle.state_file import StateFile, limits_of_what_is_left
from conductor_trio.server.lifecycle.tls import make_tls_context
from conductor_trio.server.lifecycle.upkeep import Upkeep
from conductor_trio.server.metrics.endpoint import MetricsEndpoint
from conductor_trio.server.metrics.serve import open_metrics
from conductor_trio.server.observability.observer import Observer, open_observer
from conductor_trio.server.operation.announcement import format_status, log_few_files, log_start, warn_of_shared
from conductor_trio.server.operation.descriptors import allowed_descriptors, fit_limits
from conductor_trio.server.operation.reload import Reloads, lasting_settings
from conductor_trio.server.operation.succession import Succession
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
from conductor_trio.server.workers.crew import Crew
from conductor_trio.server.workers.host import Workers, make_crew, open_handed, open_workers
from conductor_trio.server.workers.runtimes import EveryRuntime


async def run_server(settings: ServerSettings, log: Logger, said: Configuration, succession: Succession) -> None:
    """Serve until SIGTERM or SIGINT, or until a successor does; raises `ConfigError` or `StartError` before that.

    On a signal: accept no more, tell the clients, let running exchanges finish for the grace period, end the
    sessions; on a second one without grace. On SIGHUP: start a successor. `said` is what it was told.
    """
    wanted = settings.limits
    settings = attrs.evolve(settings, limits=fit_limits(wanted, allowed_descriptors()), site=load_house(settings))
    tls = make_tls_context(settings.tls) if settings.tls else None
    async with contextlib.AsyncExitStack() as stack:
        # First, so that a signal cannot come between making something and being able to remove it.
        signals = stack.enter_context(open_signals())
        planes = make_planes(settings, log, stack.enter_context(open_observer(settings, log)))
        monitor = stack.enter_context(DirectoryMonitor(settings.limits))
        inherited = stack.enter_context(open_inherited_listeners(os.environ))
        predecessor, expected = None, limits_of_what_is_left(settings.limits)
        if settings.take_over:
            opening = open_predecessor(handover_path(settings.runtime_dir), expected)
            predecessor = await stack.enter_async_context(opening)
        ownership = predecessor.ownership if predecessor else None
        runtime = stack.enter_context(open_runtime_directory(settings.runtime_dir, ownership=ownership))
        handed = await stack.enter_async_context(open_handed(planes.crew, runtime, predecessor))
        listeners = stack.enter_context(open_listeners(settings, runtime, inherited, handed))
        metrics = stack.enter_context(open_metrics(settings, planes.proxy, takes_over=predecessor is not None))
        state = StateFile(runtime.state, planes.routes, expected, log, planes.orders)
        snapshot = state.read() if predecessor is None else await predecessor.take(listeners)
        lent = filter(is_exportable, snapshot.routes) if snapshot and predecessor else ()
        borrowed = BorrowedSessions(lent, planes.routes, EveryRuntime(planes.proxy.runtimes, planes.crew))
        if snapshot is not None:  # all but those that are lent
            planes.routes.restore(snapshot)
            restore_orders(planes.orders, snapshot.orders, time.time())
        server = _Server(
            workers=stack.enter_context(open_workers(planes.crew, planes.proxy, runtime.path, listeners)),
            settings=settings,
            wanted=wanted,
            said=said,
            succession=succession,
            log=log,
            planes=planes,
            runtime=runtime,
            listeners=listeners,
            state=state,
            monitor=monitor,
            signals=signals,
            borrowed=borrowed,
            feed=AccessFeed(planes.routes, planes.sessions.records, is_open=predecessor is not None),
            reloads=Reloads(limits=settings.limits, log=log, in_force=lasting_settings(said, listeners)),
            metrics=metrics,
        )
        await server.run(functools.partial(serve_visitor, context=planes.proxy, tls=tls), predecessor)


@attrs.frozen(eq=False)
class Planes:
    """The control plane and the data plane, over what they share, and who may give commands."""

    routes: RouteTable
    ledger: Ledger
    counters: Counters
    orders: Orders
    sessions: SessionContext
    service: OwnerService
    proxy: ProxyContext
    operators: Operators
    crew: Crew


def make_planes(settings: ServerSettings, log: Logger, observer: Observer | None = None) -> Planes:
    """Return a server's planes, wired together, without routes; raises `ConfigError` and `StartError`."""
    limits, operators = settings.limits, Operators.of_group(settings.admin_group)
    routes = RouteTable(limits, Clock(monotonic=trio.current_time, wall=time.time))
    observer = observer or Observer()
    observer.follow(routes)
    ledger, counters, orders = Ledger(limits), Counters(), Orders()
    poller = EdgePoller(ledger.fairness.turnstile)
    shared: Any = {"routes": routes, "ledger": ledger, "counters": counters, "poller": poller, "orders": orders}
    sessions = SessionContext.make(settings, log, audit=observer.audit, **shared)
    service = OwnerService(sessions)
    proxy = ProxyContext(
        settings=settings,
        log=log,
        holdings=sessions.holdings,
        reports=service,
        own_pages=OwnPages(service, routes, limits, orders, settings.site, settings.sso),
        observer=observer,
        **shared,
    )
    crew = make_crew(settings, log, sessions, proxy, service)
    return Planes(routes, ledger, counters, orders, sessions, service, proxy, operators, crew)


@attrs.define(eq=False, kw_only=True)
class _Server:
    """What has been opened, and what is done with it."""

    settings: ServerSettings
    wanted: ServerLimits  # before they were fitted to the descriptors that there are
    said: Configuration
    succession: Succession
    log: Logger
    planes: Planes
    runtime: RuntimeDirectory
    listeners: Listeners
    state: StateFile
    monitor: DirectoryMonitor
    signals: AsyncIterator[int]
    borrowed: BorrowedSessions
    feed: AccessFeed
    reloads: Reloads
    metrics: MetricsEndpoint
    workers: Workers
    admin: AdminHost = attrs.field(init=False)
    console: Console | None = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        sessions, service = self.planes.sessions, self.planes.service
        entries = make_entries(self.settings)
        commands = AdminService(sessions, service, describe(self.said), self.reloads, entries)
        self.console = open_console(self.settings, commands, service, sessions, self.planes.proxy, entries)
        self.admin = AdminHost(commands, self.planes.operators, sessions)

    async def run(self, serve: Handler, predecessor: Predecessor | None) -> None:
        """Serve to the end; the predecessor hears as soon as we accept."""
        planes, limits = self.planes, self.settings.limits
        host = SessionHost(planes.sessions, planes.service, self.runtime.sockets, self.monitor)
        for path in self.runtime.left:
            host.leftovers.take(path, None)
        shutdown = Shutdown(
            proxy=planes.proxy,
            workers=planes.crew,
            sessions=planes.sessions,
            routes=planes.routes,
            listeners=self.listeners,
            runtime=self.runtime,
            state=self.state,
            signals=self.signals,
            limits=limits,
            log=self.log,
        )
        self._log_start()
        self.succession.end()
        notify(f"MAINPID={os.getpid()}", "READY=1", format_status(self.said, self.succession))
        planes.proxy.observer.begin(self.settings)
        async with trio.open_nursery() as sessions:
            sessions.start_soon(self.metrics.run, name="metrics")
            sessions.start_soon(self.monitor.run, name="directory monitor")
            sessions.start_soon(planes.sessions.run, name="control plane")
            sessions.start_soon(host.run, name="leftovers of sessions")
            sessions.start_soon(planes.proxy.run, name="data plane")
            collect = functools.partial(collect_garbage, known_memory=lambda: planes.proxy.known_memory)
            sessions.start_soon(collect, planes.ledger.fairness, limits, name="garbage collection")
            sessions.start_soon(self.reloads.run, name="reloads")
            sessions.start_soon(self.admin.run, name="operators who wait for a reload")
            sessions.start_soon(run_console, self.console, name="dashboard")
            with shutdown.grace:
                async with trio.open_nursery() as visitors:
                    self.workers.start(sessions, visitors, self._note_shortage, host.leftovers)
                    successor = await self._serve(serve, host.serve, visitors, sessions, predecessor)
                    self.reloads.end()
                    if successor is not None:
                        planes.proxy.observer.hand_over()
                    self.metrics.close(is_handed=successor is not None)
                    await shutdown.begin(successor, visitors, sessions)
            sessions.cancel_scope.cancel()
        planes.proxy.observer.end()
        self.log.info("stopped")

    def _log_start(self) -> None:
        if not self.monitor.is_told:
            self.log.warning("no_inotify", advice="raise fs.inotify.max_user_instances; until then we look")
        warn_of_shared(self.log, self.settings, self.runtime, self.said.file)
        log_start(self.log, self.settings, self.listeners, self.said.file)
        log_few_files(self.log, self.settings.limits, self.wanted)

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
            self.workers.start_accepting()
            async with trio.open_nursery() as accepting:
                self._start_accepting(accepting, visitors, serve_visitor, sessions, serve_client)
                if predecessor is not None:
                    await predecessor.confirm()
                    sessions.start_soon(predecessor.use, self.borrowed, self.feed, name="sessions borrowed")
                    predecessor = None
                self.listeners.claim_paths()
                successor = await self._wait_for_end()
                accepting.cancel_scope.cancel()
            await self.workers.stop_accepting()
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
                listener.serve, on_shortage=self._note_shortage, task_name="visitor", pace=self.workers.pace(pace)
            )
            accepting.start_soon(accept, serve_visitor, visitors, name="accept visitors")
        control, pace = self.listeners.control, self.planes.ledger.wait_for_arrivals
        accept = functools.partial(control.serve, on_shortage=self._note_shortage, task_name="client", pace=pace)
        accepting.start_soon(accept, serve_client, sessions, name="accept clients")
        admin = self.listeners.admin
        accept = functools.partial(admin.serve, on_shortage=self._note_shortage, task_name="operator", pace=pace)
        # Whoever is cut off by a hand-over asks the successor.
        accepting.start_soon(accept, self.admin.serve, accepting, name="accept operators")
        upkeep = Upkeep(
            runtime=self.runtime,
            listeners=self.listeners,
            limits=self.settings.limits,
            log=self.log,
            others=self.workers.listeners,
            on_public=self.planes.crew.renew,
        )
        accepting.start_soon(upkeep.run, name="upkeep of the runtime directory")
        accepting.start_soon(self.state.keep, name="state file")

    def _note_shortage(self, error: OSError) -> None:
        self.log.warning("cannot_accept", error=error.strerror)
        self.planes.proxy.places.make_room()

    async def _wait_for_end(self) -> Successor | None:
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
                    self.reloads.request()
                    continue
                nursery.cancel_scope.cancel()
                break
        return successor

    async def _hand_over(self, successor: Successor) -> bool:
        """Return whether a successor accepts now, in our place."""
        self.reloads.is_handed = await successor.hand_over(self.planes.routes, self.planes.orders)
        if not self.reloads.is_handed:
            successor.close()
            self.log.error("handover_failed", error="the successor ended, or did not answer in time")
        return self.reloads.is_handed
