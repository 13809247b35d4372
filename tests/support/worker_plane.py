"""A worker's data plane in the same process as the control process's, and all that goes between the two.

The feed goes over a pair of sockets, what is handed over by a socket with a path, as between processes.
"""

from __future__ import annotations

import contextlib
import functools
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import trio

from conductor_trio.control.lines import LineReader
from conductor_trio.limits.workers import MAX_WORKER_LINE
from conductor_trio.net.listeners import listen_unix
from conductor_trio.server.app import Planes
from conductor_trio.server.observability.observer import Observer
from conductor_trio.server.proxy.context import ProxyContext
from conductor_trio.server.proxy.visitor import ConnectionMaker
from conductor_trio.server.routing.feed import FeedSource, Outbox
from conductor_trio.server.routing.mirror import feed_routes
from conductor_trio.server.workers.control_link import ControlLink
from conductor_trio.server.workers.handing import Control, WorkerConnection
from conductor_trio.server.workers.internal import InternalHost
from conductor_trio.server.workers.plane import make_worker_plane
from conductor_trio.server.workers.sharing import Sharing
from conductor_trio.server.workers.usage import WorkersUsage
from conductor_trio.strict_json import parse_json


@attrs.define(eq=False)
class WorkerPlane:
    """A worker: what it shares, how it makes a visitor's connection, and the end of the feed that tells it."""

    proxy: ProxyContext
    link: ControlLink
    make_connection: ConnectionMaker
    source: FeedSource
    outbox: Outbox
    usage: WorkersUsage
    sharing: Sharing
    control: Control
    said: list[object] = attrs.field(factory=list)  #: what it has told, but for what it has done
    marks: int = 0
    heard: trio.lowlevel.ParkingLot = attrs.field(factory=trio.lowlevel.ParkingLot)

    async def wait_told(self) -> None:
        """Return once the control process knows what the worker has done."""
        self.link.tell_last()
        self.marks += 1
        mark = {"mark": self.marks}
        self.link.tell(mark)
        while mark not in self.said:
            await self.heard.park()

    async def wait_known(self) -> None:
        """Return once the worker is what the control process is."""
        while self.outbox.acknowledged < self.source.number:
            await self.heard.park()


@asynccontextmanager
async def open_worker_plane(
    planes: Planes, directory: Path, observer: Observer | None = None
) -> AsyncIterator[WorkerPlane]:
    """Run a worker beside these planes, which run already."""
    source = FeedSource()
    feed_routes(planes.routes, source)
    ours, theirs = socket.socketpair()
    link = ControlLink(trio.SocketStream(trio.socket.from_stdlib_socket(theirs)), planes.proxy.limits)
    proxy = make_worker_plane(planes.proxy.settings, planes.proxy.log, link, observer)
    path = str(directory / "workers.test")
    usage = WorkersUsage(planes.ledger)
    planes.proxy.others = usage
    outbox = source.attach()
    sharing, control = planes.crew.sharing, Control(path=path)
    make_connection = functools.partial(WorkerConnection, control=control)
    plane = WorkerPlane(proxy, link, make_connection, source, outbox, usage, sharing, control)
    changed = trio.Event()
    feed = trio.SocketStream(trio.socket.from_stdlib_socket(ours))

    def note_change() -> None:
        nonlocal changed
        changed.set()
        changed = trio.Event()

    async def send() -> None:
        while True:
            while outbox.has_news:
                await feed.send_all(b"".join(outbox.take()))
            await changed.wait()

    async def receive() -> None:
        lines = LineReader(MAX_WORKER_LINE)
        while data := await feed.receive_some():
            lines.receive_data(bytes(data))
            while (line := lines.next_event()) is not None:
                match parse_json(line):
                    case {"ack": int() as number}:
                        outbox.acknowledge(number)
                        plane.heard.unpark_all()
                    case {"share": dict() as word}:
                        sharing.receive(plane, word)
                    case dict() as message if message.keys() & {"routes", "people", "totals"}:
                        usage.receive(plane, message)
                    case {"failed": [str() as route_id, str() as failure, str() as where]}:
                        planes.proxy.reports.note_failure(route_id, failure, where)
                    case message:
                        plane.said.append(message)
                        plane.heard.unpark_all()

    source.on_change = note_change
    sharing.attach(plane, outbox.tell)
    host = InternalHost(context=planes.proxy, is_worker=lambda _: True)
    with ours, theirs, contextlib.closing(listen_unix(path, 0o600)) as listener:
        async with trio.open_nursery() as handed, trio.open_nursery() as background:
            accept = functools.partial(listener.serve, on_shortage=print)
            background.start_soon(accept, host.serve, handed)
            # No reports now and then with a clock that jumps: it would go from one to the next.
            is_steady = not isinstance(trio.lowlevel.current_clock(), trio.testing.MockClock)
            reports = (link.report, sharing.run) if is_steady else ()
            for task in (send, receive, link.follow, link.send, proxy.run, *reports):
                background.start_soon(task)
            await plane.wait_known()
            yield plane
            await plane.wait_known()
            link.tell_last()
            await link.flush()
            background.cancel_scope.cancel()
        sharing.detach(plane)
