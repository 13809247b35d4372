"""The link to the control process, at the worker's end: one task that receives, one that sends, and the state."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Mapping

import attrs
import trio

from conductor_trio.control.lines import LineReader
from conductor_trio.errors import RemoteProtocolError
from conductor_trio.limits.server import ServerLimits
from conductor_trio.limits.workers import MAX_FEED_LINE, WORKER_READ_SIZE
from conductor_trio.net.stream import STREAM_LOST
from conductor_trio.server.orders.saved import restore_orders
from conductor_trio.server.proxy.cancellation import CancelReason
from conductor_trio.server.proxy.context import ProxyContext
from conductor_trio.server.routing.feed import FeedReplica
from conductor_trio.server.routing.mirror import ROUTE, MirrorTable, parse_fed
from conductor_trio.server.routing.states import Cause
from conductor_trio.server.workers.keys import ACCEPTING, DRAINING, FINISHING, LOGS, ORDERS, OVER, RETIRED, UNUSED
from conductor_trio.server.workers.usage import Reporter


@attrs.define(eq=False)
class WorkerState:
    """What a worker is told to be, as far as it is committed."""

    is_accepting: bool = False
    is_draining: bool = False
    finishing: trio.Event = attrs.field(factory=trio.Event)
    _changed: trio.Event = attrs.field(factory=trio.Event, init=False)

    def note_orphaned(self) -> None:
        """The control process has gone."""
        self.is_draining = True
        self.note_change()

    def note_change(self) -> None:
        """Have those look again who wait for a change."""
        self._changed.set()
        self._changed = trio.Event()

    async def wait_change(self) -> None:
        """Return once something is another."""
        await self._changed.wait()

    async def wait_no_accepting(self) -> None:
        """Return once no more are to be accepted."""
        while self.is_accepting and not self.is_draining:
            await self._changed.wait()


class ControlLink:
    """Implements `routing.feed.Appliance`, `routing.ports.SessionReports` and `observability.sink.Sink`."""

    def __init__(self, feed: trio.SocketStream, limits: ServerLimits) -> None:
        self.state = WorkerState()
        self._feed = feed
        self._limits = limits
        self._messages: list[object] = [{"ready": True}]
        self._has_messages = trio.Event()
        self._is_flushed = trio.Event()
        self._mirror: MirrorTable | None = None
        self._proxy: ProxyContext | None = None
        self._reporter: Reporter | None = None
        self._asked: list[str] = []  # of which routes it is asked whether they are used
        self._accepts_next = False  # once it is committed

    def attach(self, mirror: MirrorTable, proxy: ProxyContext) -> None:
        """Have these be as we are told."""
        self._mirror, self._proxy, self._reporter = mirror, proxy, Reporter(proxy)

    # What it is told.

    async def follow(self) -> None:
        """Be as we are told, until the control process ends."""
        replica, lines = FeedReplica(self), LineReader(MAX_FEED_LINE)
        async with trio.open_nursery() as nursery:
            try:
                while data := await self._feed.receive_some(WORKER_READ_SIZE):
                    lines.receive_data(data)
                    while (line := lines.next_event()) is not None:
                        if (number := replica.receive_line(line)) is not None:
                            self._commit(number, nursery)
            except (ValueError, RemoteProtocolError, *STREAM_LOST):
                pass  # it is no control process of ours any more
            nursery.cancel_scope.cancel()

    def _commit(self, number: int, nursery: trio.Nursery) -> None:
        self.state.is_accepting = self._accepts_next
        self.state.note_change()
        self.tell({"ack": number})
        asked, self._asked = self._asked, []
        for route_id in asked:
            nursery.start_soon(self._tell_unused, route_id, name="use of a lent session")

    async def _tell_unused(self, route_id: str) -> None:
        assert self._proxy is not None
        await self._proxy.runtimes.wait_unused(route_id)
        self.tell({"unused": route_id})

    def set(self, key: str, value: object) -> None:
        """Take a value in."""
        assert self._mirror is not None and self._proxy is not None
        if key.startswith(ROUTE):
            self._mirror.put(parse_fed(value))
        elif key.startswith(UNUSED):
            self._asked.append(key.removeprefix(UNUSED))
        elif key.startswith(OVER):
            self._proxy.runtimes.end(key.removeprefix(OVER), CancelReason.LINK_LOST)
        elif key == ORDERS and isinstance(value, dict):
            restore_orders(self._proxy.orders, value, time.time())
        elif key == ACCEPTING:
            self._accepts_next = value is True
        elif key == DRAINING or (key == RETIRED and isinstance(value, list) and os.getpid() in value):
            self.state.is_draining = True
        elif key == FINISHING:
            self.state.finishing.set()
        elif key == LOGS:
            self._proxy.observer.reopen()

    def drop(self, key: str, why: str) -> None:
        """Have nothing under a key any more."""
        assert self._mirror is not None
        if key.startswith(ROUTE):
            self._mirror.drop(key.removeprefix(ROUTE), Cause(why))

    # What it tells.

    def tell(self, message: object) -> None:
        """Have a message sent."""
        self._messages.append(message)
        self._has_messages.set()

    def note_wrong_token(self, route_id: str) -> None:
        """Do nothing: the control process compares, and knows."""

    def note_failure(self, route_id: str, failure: str, where: str) -> None:
        """Have it remembered for the owner how the application failed, and at which request."""
        self.tell({"failed": [route_id, failure, where]})

    def last_output(self, route_id: str) -> tuple[str, ...]:
        """Return nothing: requests for what is starting are handed over."""
        return ()

    def write(self, fields: Mapping[str, object]) -> None:
        """Have an event written to the audit log, of which this is the sink here."""
        self.tell({"audit": dict(fields)})

    @property
    def lost(self) -> int:
        """How many events were lost: the control process counts."""
        return 0

    async def send(self) -> None:
        """Send what there is to tell, for ever."""
        while True:
            while self._messages:
                batch = list(self._messages)
                with contextlib.suppress(*STREAM_LOST):  # which `follow` finds
                    await self._feed.send_all(b"".join(json.dumps(one).encode() + b"\n" for one in batch))
                del self._messages[: len(batch)]
            self._is_flushed.set()
            self._has_messages = trio.Event()
            await self._has_messages.wait()
            self._is_flushed = trio.Event()

    async def report(self) -> None:
        """Tell now and then what was done, for ever."""
        assert self._reporter is not None
        while True:
            await trio.sleep(self._limits.worker_report_interval)
            for message in self._reporter.take():
                self.tell(message)
                await trio.lowlevel.checkpoint()

    def tell_last(self) -> None:
        """Tell what was done since the last report."""
        assert self._reporter is not None and self._proxy is not None
        self._proxy.observer.end_visits()
        for message in self._reporter.take():
            self.tell(message)

    async def flush(self) -> None:
        """Return once all is sent."""
        while self._messages:
            await trio.lowlevel.checkpoint()
            await self._is_flushed.wait()
