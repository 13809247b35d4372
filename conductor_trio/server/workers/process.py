"""A worker, from its start to its end: it accepts, rules, forwards, and is what the control process has it be.

::

    run_worker
    └─ background        the data plane's own tasks, cancelled last
       ├─ what it is told, what it tells, each one task
       └─ visitors       ends when nobody is left, once it has been told to drain
          └─ accepting   one task for each listener, while it is to accept

It ends with the control process. Signals that end the server are that one's, and ignored here.
"""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import sys

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
from conductor_trio.server.workers.plane import make_worker_plane
from conductor_trio.server.workers.start import WorkerStart, read_start

_CONTROLS_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


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
        for descriptor in start.listeners:
            listener = Listener(sock=open_shared_socket(descriptor), is_inherited=True, owns_path=False)
            listeners.append(listener)
            stack.callback(listener.close)
        link = ControlLink(trio.SocketStream(trio.socket.from_stdlib_socket(feed)), settings.limits)
        observer = stack.enter_context(open_observer(settings, log))
        if start.settings.audit_log is not None:
            observer = attrs.evolve(observer, audit=AuditLog(link))
        proxy = make_worker_plane(settings, log, link, observer)
        make_connection = functools.partial(WorkerConnection, control=Control(path=start.internal))
        serve = functools.partial(serve_visitor, context=proxy, tls=tls, way=Way(make_connection=make_connection))
        await _Worker(proxy=proxy, link=link, listeners=listeners, log=log).run(serve)


@attrs.define(eq=False, kw_only=True)
class _Worker:
    proxy: ProxyContext
    link: ControlLink
    listeners: list[Listener]
    log: Logger

    async def run(self, serve: Handler) -> None:
        """Serve to the end."""
        proxy, link, limits = self.proxy, self.link, self.proxy.limits
        grace = trio.CancelScope()  # cancelled when what runs is to end
        async with trio.open_nursery() as background:
            background.start_soon(proxy.run, name="data plane")
            collect = functools.partial(collect_garbage, known_memory=lambda: proxy.known_memory)
            background.start_soon(collect, proxy.ledger.fairness, limits, name="garbage collection")
            background.start_soon(link.send, name="words to the control process")
            background.start_soon(link.report, name="reports")
            with grace:
                async with trio.open_nursery() as visitors:
                    background.start_soon(self._follow, grace, background, name="feed")
                    visitors.start_soon(self._accept, serve, visitors, name="accepting")
            link.tell_last()
            with trio.move_on_after(limits.worker_ack_timeout):
                await link.flush()
            background.cancel_scope.cancel()

    async def _follow(self, grace: trio.CancelScope, background: trio.Nursery) -> None:
        """Be what we are told to be; without the control process, no more."""
        link = self.link
        background.start_soon(self._finish_in_time, grace, name="end of what runs")
        await link.follow()
        link.state.note_orphaned()
        self.proxy.begin_drain()
        with trio.move_on_after(self.proxy.limits.grace_timeout):
            await trio.sleep_forever()
        await self.proxy.finish()
        grace.cancel()

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
        for listener in self.listeners:
            listener.close()
        self.proxy.begin_drain()

    def _note_shortage(self, error: OSError) -> None:
        self.log.warning("cannot_accept", error=error.strerror)
        self.proxy.places.make_room()
