"""A worker, from its start to its end: it accepts, rules, forwards, and is what the control process has it be.

::

    run_worker
    └─ background        the data plane's own tasks, cancelled last
       ├─ what it is told, what it tells, each one task
       └─ visitors       ends when nobody is left, once it has been told to drain
          └─ accepting   one task for each listener, while it is to accept

When the control process has gone, it serves on what it knows, until the next one adopts it (`orphan`), and has it
drain, or until nobody has come for as long as sessions are expected back. Signals that end the server are the
control process's, and ignored here; without one they end the worker.
"""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import sys
from collections.abc import AsyncIterator

import attrs
import trio

from conductor_trio import log as logging
from conductor_trio.errors import ConductorError
from conductor_trio.interpreter import tune_collector
from conductor_trio.limits.constants import SHARED_ACCEPTS
from conductor_trio.log import Logger
from conductor_trio.net.kernel import open_shared_socket
from conductor_trio.net.listeners import Handler, Listener
from conductor_trio.server.lifecycle.garbage import collect_garbage
from conductor_trio.server.lifecycle.paced_clock import run_paced
from conductor_trio.server.lifecycle.tls import make_tls_context
from conductor_trio.server.observability.audit_log import AuditLog
from conductor_trio.server.observability.observer import open_observer
from conductor_trio.server.proxy.context import ProxyContext
from conductor_trio.server.proxy.visitor import Way, serve_visitor
from conductor_trio.server.workers.control_link import ControlLink
from conductor_trio.server.workers.handing import Control, WorkerConnection
from conductor_trio.server.workers.orphan import Adopter, Orphanage, open_orphanage
from conductor_trio.server.workers.plane import make_worker_plane
from conductor_trio.server.workers.start import WorkerStart, read_start

_ENDING_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_CONTROLS_SIGNALS = (*_ENDING_SIGNALS, signal.SIGHUP)


def main() -> None:
    """Be a worker; the exit status is 1 where it could not start."""
    for number in _CONTROLS_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    try:
        start = read_start(os.environ)
        tune_collector()
        logging.configure(verbose=start.settings.verbose)
        run_paced(run_worker, start, logging.get_logger())
    except ConductorError as error:
        with contextlib.suppress(AttributeError, OSError):
            sys.stderr.write(f"conductor-trio-server, a worker: {error}\n")
        sys.exit(1)


async def run_worker(start: WorkerStart, log: Logger) -> None:
    """Serve until the control process has it end, or ends itself; raises `ConfigError` and `StartError`."""
    settings = attrs.evolve(start.settings, audit_log=None)
    tls = make_tls_context(settings.tls) if settings.tls else None
    with contextlib.ExitStack() as stack:
        feed = stack.enter_context(contextlib.closing(open_shared_socket(start.feed)))
        listeners = []
        for descriptor, is_inherited in zip(start.listeners, start.inherited, strict=True):
            sock = open_shared_socket(descriptor)
            listener = Listener(sock=sock, is_inherited=is_inherited, owns_path=False)
            listeners.append(listener)
            stack.callback(listener.close)
        runtime_dir = os.path.dirname(start.internal)
        orphanage = stack.enter_context(open_orphanage(runtime_dir, listeners, settings.limits, log))
        link = ControlLink(trio.SocketStream(trio.socket.from_stdlib_socket(feed)), settings.limits)
        observer = stack.enter_context(open_observer(settings, log))
        if start.settings.audit_log is not None:
            observer = attrs.evolve(observer, audit=AuditLog(link))
        proxy = make_worker_plane(settings, log, link, observer)
        control = Control(path=start.internal)
        make_connection = functools.partial(WorkerConnection, control=control)
        serve = functools.partial(serve_visitor, context=proxy, tls=tls, way=Way(make_connection=make_connection))
        worker = _Worker(
            proxy=proxy, link=link, control=control, orphanage=orphanage, listeners=listeners, log=log
        )
        with trio.open_signal_receiver(*_ENDING_SIGNALS) as signals:
            await worker.run(serve, signals)


@attrs.define(eq=False, kw_only=True)
class _Worker:
    proxy: ProxyContext
    link: ControlLink
    control: Control
    orphanage: Orphanage
    listeners: list[Listener]
    log: Logger
    _told_to_end: trio.Event = attrs.field(factory=trio.Event, init=False)  # while there was no control process

    async def run(self, serve: Handler, signals: AsyncIterator[int]) -> None:
        """Serve to the end."""
        proxy, link, limits = self.proxy, self.link, self.proxy.limits
        grace = trio.CancelScope()  # cancelled when what runs is to end
        async with trio.open_nursery() as background:
            background.start_soon(proxy.run, name="data plane")
            collect = functools.partial(collect_garbage, known_memory=lambda: proxy.known_memory)
            background.start_soon(collect, proxy.ledger.fairness, limits, name="garbage collection")
            background.start_soon(link.send, name="words to the control process")
            background.start_soon(link.report, name="reports")
            background.start_soon(self._heed, signals, name="signals")
            with grace:
                async with trio.open_nursery() as visitors:
                    background.start_soon(self._follow, grace, background, name="feed")
                    visitors.start_soon(self._accept, serve, visitors, name="accepting")
            link.tell_last()
            with trio.move_on_after(limits.worker_ack_timeout):
                await link.flush()
            background.cancel_scope.cancel()

    async def _heed(self, signals: AsyncIterator[int]) -> None:
        """Note that we are to end, where no control process has us end in its order."""
        async for _ in signals:
            if self.link.state.is_orphaned:
                self._told_to_end.set()

    async def _follow(self, grace: trio.CancelScope, background: trio.Nursery) -> None:
        """Be what we are told to be; without a control process, what we were, for a while."""
        link, control, parked = self.link, self.control, self.proxy.parked
        background.start_soon(self._finish_in_time, grace, name="end of what runs")
        await link.follow()
        if link.state.is_accepting and not link.state.is_draining:
            control.leave(parked, is_awaited=True)
            self.log.warning("orphaned", pid=os.getpid())
            if (adopter := await self._wait_adopted()) is not None:
                control.move(adopter.internal, parked)
                link.adopt(adopter.feed)
                await link.follow()
        control.leave(parked, is_awaited=False)
        link.state.begin_drain()
        self.proxy.begin_drain()
        with trio.move_on_after(self.proxy.limits.grace_timeout):
            await trio.sleep_forever()
        await self.proxy.finish()
        grace.cancel()

    async def _wait_adopted(self) -> Adopter | None:
        """Return the next control process; None where none comes in time, or we are told to end."""
        adopter: Adopter | None = None
        async with trio.open_nursery() as nursery:

            async def give_up() -> None:
                await self._told_to_end.wait()
                nursery.cancel_scope.cancel()

            nursery.start_soon(give_up, name="signal")
            nursery.start_soon(self._expire_shares, name="ends of shares")
            with trio.move_on_after(self.proxy.limits.detached_timeout):
                adopter = await self.orphanage.wait_adopted()
            nursery.cancel_scope.cancel()
        return adopter

    async def _expire_shares(self) -> None:
        """End what the control process would have ended."""
        while True:
            await trio.sleep(self.proxy.limits.worker_report_interval)
            for _ in self.proxy.routes.expire_in_steps():
                await trio.lowlevel.checkpoint()

    async def _finish_in_time(self, grace: trio.CancelScope) -> None:
        await self.link.state.finishing.wait()
        await self.proxy.finish()
        grace.cancel()

    async def _accept(self, serve: Handler, visitors: trio.Nursery) -> None:
        """Accept while we are to, until we drain."""
        state = self.link.state
        while not state.is_draining:
            if not state.is_accepting:
                await state.wait_change()
                continue
            async with trio.open_nursery() as accepting:
                for listener in self.listeners:
                    accept = functools.partial(
                        listener.serve,
                        on_shortage=self._note_shortage,
                        task_name="visitor",
                        pace=None if listener.path is not None else self.proxy.ledger.wait_for_strangers,
                        max_accepts=SHARED_ACCEPTS,
                    )
                    accepting.start_soon(accept, serve, visitors, name="accept visitors")
                await state.wait_no_accepting()
                accepting.cancel_scope.cancel()
        self.orphanage.close()
        for listener in self.listeners:
            listener.close()
        self.proxy.begin_drain()

    def _note_shortage(self, error: OSError) -> None:
        self.log.warning("cannot_accept", error=error.strerror)
        self.proxy.places.make_room()
