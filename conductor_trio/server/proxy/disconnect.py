"""Disconnects of visitors while they wait for a slow exchange: an abort reaches the application at once.

Most exchanges are over before anybody could abort them, and a task for each would cost more than the exchange. So
each is only noted when it begins, and whatever is still noted after one to two `ServerLimits.watch_delay` gets a
task::

    note            look            look            (every `watch_delay`, while anything is noted)
    ├── noted ──────┼─ noted_before ┼── its own task, which reads ── …
"""

from __future__ import annotations

from types import TracebackType

import attrs
import trio

from conductor_trio.http1.reader import RequestReader
from conductor_trio.limits.constants import MAX_TOLD_AT_ONCE
from conductor_trio.limits.server import ServerLimits
from conductor_trio.net.stream import STREAM_LOST, Stream
from conductor_trio.server.proxy.cancellation import CancelReason, ConnectionScope


class DisconnectMonitor:
    """All exchanges whose visitor has nothing to do but to wait."""

    def __init__(self, limits: ServerLimits) -> None:
        self._delay = limits.watch_delay
        self._read_size = limits.read_size
        self._noted: set[DisconnectListener] = set()
        self._noted_before: set[DisconnectListener] = set()  # the last time that we looked
        self._has_noted = trio.Event()

    def listener(
        self, visitor: Stream, requests: RequestReader, connection: ConnectionScope
    ) -> DisconnectListener:
        """Return a listener; within it, again and again, `connection` is cancelled when the visitor aborts."""
        return DisconnectListener(self, visitor, requests, connection, self._read_size)

    def note(self, listener: DisconnectListener) -> None:
        """Give it a task unless it is left within the delay."""
        self._noted.add(listener)
        self._has_noted.set()

    def forget(self, listener: DisconnectListener) -> None:
        """Give it no task."""
        self._noted.discard(listener)
        self._noted_before.discard(listener)

    async def run(self) -> None:
        """Give a task to each listener that is not left soon, for ever."""
        async with trio.open_nursery() as nursery:
            while True:
                if not self._noted:
                    self._has_noted = trio.Event()
                    await self._has_noted.wait()
                self._noted, self._noted_before = set(), self._noted
                await trio.sleep(self._delay)
                started = 0
                while self._noted_before:
                    self._noted_before.pop().start(nursery)
                    started += 1
                    if not started % MAX_TOLD_AT_ONCE:
                        await trio.lowlevel.checkpoint()


@attrs.define(eq=False)
class DisconnectListener:
    """Listens to one visitor within ``async with``, for whoever serves it and reads nothing from it meanwhile.

    What the visitor sends goes to its reader. An abort cancels the connection.
    """

    _monitor: DisconnectMonitor
    _visitor: Stream
    _requests: RequestReader
    connection: ConnectionScope
    _read_size: int
    _task: tuple[trio.CancelScope, trio.Event] | None = attrs.field(default=None, init=False)

    async def __aenter__(self) -> DisconnectListener:
        self._monitor.note(self)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        """Return once nobody but the caller reads from the visitor."""
        self._monitor.forget(self)
        if self._task is not None:
            scope, done = self._task
            self._task = None
            scope.cancel()
            await done.wait()  # noqa: ASYNC102

    def start(self, nursery: trio.Nursery) -> None:
        """Listen in a task of its own until left."""
        self._task = trio.CancelScope(), trio.Event()
        nursery.start_soon(self._run, *self._task, name="disconnect listener")

    async def _run(self, scope: trio.CancelScope, done: trio.Event) -> None:
        try:
            with scope:
                await self.wait_visitor()
        finally:
            done.set()

    async def wait_visitor(self) -> None:
        """Return when the visitor sends more or ends its direction; when it aborts, cancel the connection."""
        try:
            data = await self._visitor.receive_some(self._read_size)
        except STREAM_LOST:
            self.connection.cancel(CancelReason.VISITOR_GONE)
            return
        if data:
            self._requests.receive_data(data)
        elif self._visitor.is_fully_closed():
            self.connection.cancel(CancelReason.VISITOR_GONE)
