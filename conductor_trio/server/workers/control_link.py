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
from conductor_trio.limits.workers import MAX_FEED_LINE, MAX_KEPT_WORDS, WORKER_READ_SIZE
from conductor_trio.net.stream import STREAM_LOST
from conductor_trio.server.orders.saved import restore_orders
from conductor_trio.server.proxy.cancellation import CancelReason
from conductor_trio.server.proxy.context import ProxyContext
from conductor_trio.server.routing.feed import FeedReplica
from conductor_trio.server.routing.keys import ACCEPTING, DRAINING, FINISHING, LOGS, ORDERS, OVER, RETIRED, UNUSED
from conductor_trio.server.routing.mirror import ACCESS, ENDED, ROUTE, MirrorTable, parse_fed
from conductor_trio.server.routing.states import Cause
from conductor_trio.server.workers.sharing import Share
from conductor_trio.server.workers.usage import Reporter


@attrs.define(eq=False)
class WorkerState:
    """What a worker is told to be, as far as it is committed."""

    is_accepting: bool = False
    is_draining: bool = False
    is_orphaned: bool = False  #: the control process has gone
    finishing: trio.Event = attrs.field(factory=trio.Event)
    _changed: trio.Event = attrs.field(factory=trio.Event, init=False)

    def begin_drain(self) -> None:
        """Accept no more, and end once nobody is left."""
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
        self._feed: trio.SocketStream | None = feed  # None while there is no control process
        self._limits = limits
        self._lost = 0
        self._messages: list[object] = [{"ready": True}]
        self._has_messages = trio.Event()
        self._is_flushed = trio.Event()
        self._mirror: MirrorTable | None = None
        self._proxy: ProxyContext | None = None
        self._reporter: Reporter | None = None
        self._share: Share | None = None
        self._asked: list[str] = []  # of which routes it is asked whether they are used
        self._accepts_next = False  # once it is committed

    def attach(self, mirror: MirrorTable, proxy: ProxyContext) -> None:
        """Have these be as we are told."""
        self._mirror, self._proxy, self._reporter = mirror, proxy, Reporter(proxy)
        self._share = Share(proxy, self.tell)

    # What it is told.

    def adopt(self, feed: trio.SocketStream) -> None:
        """Follow another control process, which has never heard of what runs here."""
        assert self._reporter is not None
        self._feed, self.state.is_orphaned = feed, False
        self._reporter.begin_anew()
        self._messages = [{"ready": True}, *filter(_is_kept, self._messages)]
        self._has_messages.set()

    async def follow(self) -> None:
        """Be as we are told, until the control process ends."""
        feed = self._feed
        assert feed is not None
        replica, lines = FeedReplica(self), LineReader(MAX_FEED_LINE)
        async with trio.open_nursery() as nursery:
            try:
                while data := await feed.receive_some(WORKER_READ_SIZE):
                    lines.receive_data(data)
                    while (line := lines.next_event()) is not None:
                        if (number := replica.receive_line(line)) is not None:
                            self._commit(number, nursery)
            except (ValueError, RemoteProtocolError, *STREAM_LOST):
                pass  # it is no control process of ours any more
            nursery.cancel_scope.cancel()
        self._feed, self.state.is_orphaned = None, True
        self._be_alone()
        self.state.note_change()
        self._has_messages.set()  # of which none goes anywhere

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
        elif key.startswith(ACCESS):
            self._mirror.narrow(key.removeprefix(ACCESS), value)
        elif key.startswith(ENDED):
            self._mirror.end(key.removeprefix(ENDED))
        elif key == ORDERS and isinstance(value, dict):
            restore_orders(self._proxy.orders, value, time.time())
        elif key == ACCEPTING:
            self._accepts_next = value is True
        elif key == RETIRED and isinstance(value, list) and os.getpid() in value:
            self.state.is_draining = True
            self._be_alone()
        elif key == DRAINING:
            self.state.is_draining = True
        elif key == FINISHING:
            self.state.finishing.set()
        elif key == LOGS:
            self._proxy.observer.reopen()

    def _be_alone(self) -> None:
        if self._share is not None:
            self._share.be_alone()

    def drop(self, key: str, why: str) -> None:
        """Have nothing under a key any more."""
        assert self._mirror is not None
        if key.startswith(ROUTE):
            self._mirror.drop(key.removeprefix(ROUTE), Cause(why))

    def hear(self, value: object) -> None:
        """Take in what this process may have of what all share."""
        assert self._share is not None
        self._share.receive(value)

    # What it tells.

    def tell(self, message: object) -> None:
        """Have a message sent."""
        if self._feed is None and (not _is_kept(message) or len(self._messages) >= MAX_KEPT_WORDS):
            self._lost += _is_kept(message)
            return
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
        """How many events were lost here; the control process counts the others."""
        return self._lost

    async def send(self) -> None:
        """Send what there is to tell, for ever."""
        while True:
            while self._messages and (feed := self._feed) is not None:
                messages, batch = self._messages, list(self._messages)
                with contextlib.suppress(*STREAM_LOST):  # which `follow` finds
                    await feed.send_all(b"".join(json.dumps(one).encode() + b"\n" for one in batch))
                del messages[: len(batch)]
            self._is_flushed.set()
            self._has_messages = trio.Event()
            await self._has_messages.wait()
            self._is_flushed = trio.Event()

    async def report(self) -> None:
        """Tell now and then what was done, for ever; while nobody listens it adds up."""
        assert self._reporter is not None and self._share is not None
        while True:
            await trio.sleep(self._limits.worker_report_interval)
            if self._feed is None:
                continue
            for message in self._reporter.take():
                self.tell(message)
                await trio.lowlevel.checkpoint()
            self._share.report()

    def tell_last(self) -> None:
        """Tell what was done since the last report."""
        assert self._reporter is not None and self._proxy is not None
        self._proxy.observer.end_visits()
        for message in self._reporter.take():
            self.tell(message)

    async def flush(self) -> None:
        """Return once all is sent, or nobody listens."""
        while self._messages and self._feed is not None:
            await trio.lowlevel.checkpoint()
            await self._is_flushed.wait()


def _is_kept(message: object) -> bool:
    """Whether a message is of use to the next control process, too."""
    return isinstance(message, dict) and "audit" in message
