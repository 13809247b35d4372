"""Visitors of slow exchanges are watched, so that an abort reaches the application at once.

Most exchanges are over before anybody could abort them, and a task for each would cost more than the exchange. So
each is only noted when it begins, and whatever is still noted after one to two `ServerLimits.watch_delay` gets a
task.
"""

from __future__ import annotations

from types import TracebackType

import attrs
import trio

from conductor_trio.http1.reader import RequestReader
from conductor_trio.limits import ServerLimits
from conductor_trio.net.relay import STREAM_LOST
from conductor_trio.net.stream import Stream


class DisconnectMonitor:
    """All exchanges whose visitor has nothing to do but to wait."""

    def __init__(self, limits: ServerLimits) -> None:
        self._delay = limits.watch_delay
        self._read_size = limits.read_size
        self._noted: set[DisconnectListener] = set()
        self._noted_before: set[DisconnectListener] = set()  # the last time that we looked
        self._has_noted = trio.Event()

    def watch(self, visitor: Stream, requests: RequestReader, scope: trio.CancelScope) -> DisconnectListener:
        """Return a watch to enter, again and again: while it is, `scope` is cancelled when the visitor aborts."""
        return DisconnectListener(self, visitor, requests, scope, self._read_size)

    def note(self, watch: DisconnectListener) -> None:
        """Look at it again after the delay."""
        self._noted.add(watch)
        self._has_noted.set()

    def forget(self, watch: DisconnectListener) -> None:
        """Do not look at it again."""
        self._noted.discard(watch)
        self._noted_before.discard(watch)

    async def run(self) -> None:
        """Give a task to each watch that lasts, for ever."""
        async with trio.open_nursery() as nursery:
            while True:
                if not self._noted:
                    self._has_noted = trio.Event()
                    await self._has_noted.wait()
                self._noted, self._noted_before = set(), self._noted
                await trio.sleep(self._delay)
                while self._noted_before:
                    self._noted_before.pop().start(nursery)


@attrs.define(eq=False)
class DisconnectListener:
    """The watch on one visitor, to be entered by whoever serves it, who reads nothing from it meanwhile.

    What the visitor sends goes to its reader. An abort cancels the scope.
    """

    _watcher: DisconnectMonitor
    _visitor: Stream
    _requests: RequestReader
    scope: trio.CancelScope
    _read_size: int
    has_aborted: bool = attrs.field(default=False, init=False)
    _task: tuple[trio.CancelScope, trio.Event] | None = attrs.field(default=None, init=False)

    async def __aenter__(self) -> DisconnectListener:
        self._watcher.note(self)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        """Return once nobody but the caller reads from the visitor."""
        self._watcher.forget(self)
        if self._task is not None:
            scope, done = self._task
            self._task = None
            scope.cancel()
            await done.wait()  # noqa: ASYNC102

    def start(self, nursery: trio.Nursery) -> None:
        """Watch in a task of its own until left."""
        self._task = trio.CancelScope(), trio.Event()
        nursery.start_soon(self._run, *self._task)

    async def _run(self, scope: trio.CancelScope, done: trio.Event) -> None:
        try:
            with scope:
                await self.wait_visitor()
        finally:
            done.set()

    async def wait_visitor(self) -> None:
        """Return when the visitor sends more or ends its direction; when it aborts, cancel the scope."""
        try:
            data = await self._visitor.receive_some(self._read_size)
        except STREAM_LOST:
            self._abort()
            return
        if data:
            self._requests.receive_data(data)
        elif self._visitor.is_fully_closed():
            self._abort()

    def _abort(self) -> None:
        self.has_aborted = True
        self.scope.cancel()
