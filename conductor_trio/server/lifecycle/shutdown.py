"""Shutdown of the server, in named phases, for a signal as for a successor.

::

    SERVING ──signal──────▶ DRAINING ──nobody left, grace over, or second signal──▶ ENDED
            ──handed over─▶          ──or, with inherited listeners, somebody waits for our successor

While it drains, it accepts nobody, clients are told to register elsewhere, answers say that they are the last on
their connection, and what runs may go on for the grace period. A successor is lent the sessions for that time.
"""

from __future__ import annotations

import contextlib
import signal
from collections.abc import AsyncIterator, Iterator
from typing import Protocol

import attrs
import trio

from conductor_trio.limits.server import ServerLimits
from conductor_trio.log import Logger
from conductor_trio.net.listeners import Listener
from conductor_trio.server.lifecycle.handover import Successor
from conductor_trio.server.lifecycle.listeners import Listeners
from conductor_trio.server.lifecycle.runtime_directory import RuntimeDirectory
from conductor_trio.server.lifecycle.service_manager import notify
from conductor_trio.server.lifecycle.state_file import StateFile
from conductor_trio.server.proxy.context import ProxyContext
from conductor_trio.server.routing.table import RouteTable
from conductor_trio.server.sessions.context import SessionContext

#: The signals that end the server.
ENDING_SIGNALS = (signal.SIGTERM, signal.SIGINT)


@contextlib.contextmanager
def open_signals() -> Iterator[AsyncIterator[int]]:
    """Give the signals that end the server or have it reload, which whoever started it may have blocked."""
    numbers = (*ENDING_SIGNALS, signal.SIGHUP)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, numbers)
    with trio.open_signal_receiver(*numbers) as signals:
        yield signals


class Workers(Protocol):
    """The processes that forward requests beside this one, if there are any."""

    def begin_drain(self) -> None:
        """Have them end once nobody is left."""

    async def wait_settled(self) -> None:
        """Return once they have no requests under way."""

    async def finish(self) -> None:
        """Have them end what runs, and return once they have."""


@attrs.define(eq=False, kw_only=True)
class Shutdown:
    """One server's; the visitors' nursery runs within `grace`, which ends it."""

    proxy: ProxyContext
    workers: Workers
    sessions: SessionContext
    routes: RouteTable
    listeners: Listeners
    runtime: RuntimeDirectory
    state: StateFile
    signals: AsyncIterator[int]
    limits: ServerLimits
    log: Logger
    #: Cancelled, and so every connection of a visitor, when the grace period is over.
    grace: trio.CancelScope = attrs.field(factory=trio.CancelScope, init=False)
    _is_over: trio.Event = attrs.field(factory=trio.Event, init=False)  # before its time

    async def begin(self, successor: Successor | None, visitors: trio.Nursery, others: trio.Nursery) -> None:
        """Accept no more and begin the grace period; `successor` accepts in our place, if there is one."""
        is_handed = successor is not None
        event = "handed_over" if is_handed else "stopping"
        self.log.info(event, visitors=self.proxy.visitors, sessions=len(self.routes))
        if is_handed:
            self.listeners.release_paths()
        else:
            notify("STOPPING=1")
            await self.state.write()
        self.listeners.close()
        self.runtime.release_ownership()
        self.proxy.begin_drain()
        self.workers.begin_drain()
        self.sessions.begin_drain()
        others.start_soon(self._run_grace, name="grace period")
        others.start_soon(self._force_exit, name="second signal")
        if successor is not None:
            released = trio.Event()
            others.start_soon(self._follow_successor, successor, released, name="access feed")
            # The visitors' nursery stays open as long as the successor uses our sessions.
            visitors.start_soon(released.wait, name="sessions lent to the successor")
        elif self.listeners.inherited:
            others.start_soon(self._end_grace_early, name="visitors who wait for the successor")

    async def _run_grace(self) -> None:
        with trio.move_on_after(self.limits.grace_timeout):
            await self._is_over.wait()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.workers.finish, name="end of the workers")
            await self.proxy.finish()
        self.grace.cancel()

    async def _follow_successor(self, successor: Successor, released: trio.Event) -> None:
        with contextlib.closing(successor):
            await successor.follow(self.routes, self.sessions.records, released)

    async def _end_grace_early(self) -> None:
        """End the grace period when someone waits for our successor, which may only come when we have ended."""
        async with trio.open_nursery() as nursery:

            async def wait_for_anybody(listener: Listener) -> None:
                await trio.lowlevel.wait_readable(listener.sock)
                nursery.cancel_scope.cancel()

            for listener in self.listeners.inherited:
                nursery.start_soon(wait_for_anybody, listener, name="backlog of an inherited listener")
        await trio.sleep(self.limits.successor_pause)
        await self.proxy.wait_exchanges_settled()
        await self.workers.wait_settled()
        self._is_over.set()

    async def _force_exit(self) -> None:
        """End the grace period at a second signal."""
        async for number in self.signals:
            if number in ENDING_SIGNALS:
                self._is_over.set()
