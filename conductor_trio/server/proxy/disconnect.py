"""Disconnects of visitors while they wait for a slow exchange: an abort reaches the application at once.

What the visitor sends meanwhile nobody wants yet, so no more than `watch_read_size` of it is received: enough to
tell an end from more. From then on it stays in the kernel, and only an abort is looked for.

Most exchanges are over before anybody could abort them, and a task for each would cost more than the exchange. So
each is only noted when it begins, and whatever is still noted after one to two `ServerLimits.watch_delay` gets a
task::

    note            look            look            (every `watch_delay`, while anything is noted)
    ├── noted ──────┼─ noted_before ┼── its own task, which reads ── …
"""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from types import TracebackType

import attrs
import trio

from conductor_trio.http1.reader import RequestReader
from conductor_trio.limits.constants import MAX_TOLD_AT_ONCE
from conductor_trio.limits.server import ServerLimits
from conductor_trio.net.stream import STREAM_LOST, Stream
from conductor_trio.server.proxy.cancellation import CancelReason, ConnectionScope

HoldingRequest = Callable[[], AbstractContextManager[None]]


class DisconnectMonitor:
    """All exchanges whose visitor has nothing to do but to wait."""

    def __init__(self, limits: ServerLimits) -> None:
        self._limits = limits
        self._noted: set[DisconnectListener] = set()
        self._noted_before: set[DisconnectListener] = set()  # the last time that we looked
        self._has_noted = trio.Event()

    def listener(
        self,
        visitor: Stream,
        requests: RequestReader,
        connection: ConnectionScope,
        holding_request: HoldingRequest = contextlib.nullcontext,
    ) -> DisconnectListener:
        """Return a listener; within it, again and again, `connection` is cancelled when the visitor aborts.

        While an exchange takes long, `holding_request` is entered.
        """
        return DisconnectListener(self, visitor, requests, connection, self._limits, holding_request)

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
                await trio.sleep(self._limits.watch_delay)
                started = 0
                while self._noted_before:
                    self._noted_before.pop().start(nursery)
                    started += 1
                    if not started % MAX_TOLD_AT_ONCE:
                        await trio.lowlevel.checkpoint()


@attrs.define(eq=False)
class DisconnectListener:
    """Listens to one visitor within ``async with``, for whoever serves it and reads nothing from it meanwhile.

    What the visitor sends goes to its reader. An abort cancels the connection. `begin` and `end` do the same for
    whoever cannot pay for two coroutines.
    """

    _monitor: DisconnectMonitor
    _visitor: Stream
    _requests: RequestReader
    connection: ConnectionScope
    _limits: ServerLimits
    #: To be entered by whoever serves an exchange that may take long and does not wait in here.
    holding_request: HoldingRequest
    _task: tuple[trio.CancelScope, trio.Event] | None = attrs.field(default=None, init=False)

    async def __aenter__(self) -> DisconnectListener:
        self.begin()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        """Return once nobody but the caller reads from the visitor."""
        if (stopping := self.end()) is not None:
            await stopping  # noqa: ASYNC102

    def begin(self) -> None:
        """Listen from now on, until `end`."""
        self._monitor.note(self)

    def end(self) -> Awaitable[None] | None:
        """Listen no more; what is returned is to be awaited, and then nobody but the caller reads the visitor."""
        self._monitor.forget(self)
        return None if self._task is None else self._stop(*self._task)

    async def _stop(self, scope: trio.CancelScope, done: trio.Event) -> None:
        self._task = None
        scope.cancel()
        await done.wait()

    def start(self, nursery: trio.Nursery) -> None:
        """Listen in a task of its own until left."""
        self._task = trio.CancelScope(), trio.Event()
        nursery.start_soon(self._run, *self._task, name="disconnect listener")

    async def _run(self, scope: trio.CancelScope, done: trio.Event) -> None:
        try:
            if (
                scope.cancel_called
            ):  # before this task began: nobody waits for it any more, and there is no request
                return
            with scope, self.holding_request():
                await self.wait_visitor()
        finally:
            done.set()

    async def wait_visitor(self) -> None:
        """Return when the visitor aborts, having cancelled the connection; an end of its direction is no abort."""
        if not self._requests.trailing_data:
            try:
                data = await self._visitor.receive_some(self._limits.watch_read_size)
            except STREAM_LOST:
                self.connection.cancel(CancelReason.VISITOR_GONE)
                return
            if data:
                self._requests.receive_data(data)
            elif self._visitor.is_fully_closed():
                self.connection.cancel(CancelReason.VISITOR_GONE)
                return
        # Of an abort no event tells while there is something to receive, nor after an end.
        while not self._visitor.is_abandoned():  # noqa: ASYNC110
            await trio.sleep(self._limits.abort_interval)
        self.connection.cancel(CancelReason.VISITOR_GONE)
