"""The crew: all workers of a server, started, told, listened to, and replaced where one ends or does not answer.

::

    start_worker ─▸ first word ─▸ follows the feed: told, acknowledged ─▸ its end, or none of its words in time
         ▴                                                                    │
         └──────────────────── at once, or after a pause where it never served ────────┘

Each worker has one task here that sends and one that receives. What a client hears to be so is so at every worker:
`wait_known`.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence

import attrs
import trio

from conductor_trio.control.lines import LineReader
from conductor_trio.errors import RemoteProtocolError
from conductor_trio.limits.linger import BRIEF_LINGER
from conductor_trio.limits.server import ServerLimits
from conductor_trio.limits.workers import MAX_WORKER_LINE, WORKER_READ_SIZE
from conductor_trio.log import Logger
from conductor_trio.net.peer_credentials import Credentials
from conductor_trio.server.routing.feed import FeedSource, Outbox
from conductor_trio.server.routing.ports import SessionReports
from conductor_trio.server.settings import ServerSettings
from conductor_trio.server.workers.keys import ACCEPTING, DRAINING, FINISHING, LOGS, OVER, RETIRED, UNUSED
from conductor_trio.server.workers.start import start_worker
from conductor_trio.server.workers.usage import WorkersUsage
from conductor_trio.strict_json import parse_json


@attrs.define(eq=False)
class _Worker:
    """One worker, from its start to its end."""

    process: trio.Process
    feed: trio.SocketStream
    outbox: Outbox | None = None  #: once it has said its first word
    unused: set[str] = attrs.field(
        factory=set
    )  #: routes for which nothing runs there, of those that were asked for
    is_retired: bool = False  #: it ends once nobody is left, and another one has its place

    @property
    def is_ready(self) -> bool:
        """Whether it has had everything once, and so serves."""
        return self.outbox is not None and self.outbox.acknowledged >= 0


@attrs.define(eq=False)
class _Life:
    """What came of one start."""

    worker: _Worker | None = None
    is_over: bool = False


@attrs.define(eq=False, kw_only=True)
class Crew:
    """One server's workers: `count` of them, none where the server does all by itself.

    They are told what is in `source`; `listeners` and `internal` are set before `run`.
    """

    count: int
    settings: ServerSettings
    limits: ServerLimits
    log: Logger
    source: FeedSource
    usage: WorkersUsage
    reports: SessionReports
    audit: Callable[[dict[str, object]], None]  #: writes an event, with its time, to the audit log
    listeners: Callable[[], Sequence[socket.socket]] = attrs.field(default=tuple)
    internal: str = ""
    _workers: dict[int, _Worker] = attrs.field(factory=dict, init=False)  # by their ids
    _changed: trio.Event = attrs.field(factory=trio.Event, init=False)
    _is_draining: bool = attrs.field(default=False, init=False)
    _logs_opened: int = attrs.field(default=0, init=False)

    def __attrs_post_init__(self) -> None:
        self.source.on_change = self._note_change

    def _note_change(self) -> None:
        self._changed.set()
        self._changed = trio.Event()

    def _set(self, key: str, value: object) -> None:
        if self.count:
            self.source.set(key, value)

    def is_worker(self, peer: Credentials) -> bool:
        """Whether that process is one of them."""
        return peer.pid in self._workers

    @property
    def ready(self) -> int:
        """How many accept."""
        return sum(worker.is_ready and not worker.is_retired for worker in self._workers.values())

    @property
    def pids(self) -> list[int]:
        """Their ids."""
        return list(self._workers)

    # What they do.

    async def wait_absent(self) -> None:
        """Return once none serves: then this process has to."""
        while self.ready and not self._is_draining:
            await self._changed.wait()

    async def wait_known(self) -> None:
        """Return once what is so now is so at each worker that serves, or is about to; slow ones are replaced."""
        number = self.source.number
        while any(_lags(worker, number) for worker in self._workers.values()):
            await self._changed.wait()

    def accept(self, *, is_accepting: bool) -> None:
        """Have them accept from now on, or no more."""
        self._set(ACCEPTING, is_accepting)

    def renew(self) -> None:
        """Have others take their places, who get the listeners as they are now; they end once nobody is left."""
        for worker in self._workers.values():
            worker.is_retired = True
        self._tell_retired()
        self._note_change()

    def _tell_retired(self) -> None:
        self._set(RETIRED, [pid for pid, worker in self._workers.items() if worker.is_retired])

    def reopen_logs(self) -> None:
        """Have them open files anew."""
        self._logs_opened += 1
        self._set(LOGS, self._logs_opened)

    def begin_drain(self) -> None:
        """Have them end once nobody is left."""
        self._is_draining = True
        self._set(DRAINING, value=True)

    async def finish(self) -> None:
        """Have them end what runs, and return once they have passed on what applications have said."""
        self._set(FINISHING, value=True)
        with trio.move_on_after(BRIEF_LINGER.linger_total_timeout + self.limits.worker_end_timeout):
            await self.wait_ended()

    async def wait_ended(self) -> None:
        """Return once there is none."""
        while self._workers:
            await self._changed.wait()

    async def wait_unused(self, route_id: str) -> None:
        """Return once nothing runs for a route at any of them."""
        self._set(UNUSED + route_id, value=True)
        while any(worker.outbox and route_id not in worker.unused for worker in self._workers.values()):
            await self._changed.wait()

    def end_route(self, route_id: str) -> None:
        """Have them end what runs for a route."""
        self._set(OVER + route_id, value=True)

    # Their lives.

    async def run(self) -> None:
        """Keep them running, until they are told to drain and have ended; whoever is left is killed at the end."""
        async with trio.open_nursery() as nursery:
            for index in range(self.count):
                nursery.start_soon(self._keep, index, nursery, name=f"place of worker {index}")

    async def _keep(self, index: int, nursery: trio.Nursery) -> None:
        pause = self.limits.worker_pause
        while not self._is_draining:
            life = _Life()
            nursery.start_soon(self._run_one, index, life, name=f"worker {index}")
            while not (life.is_over or (life.worker is not None and life.worker.is_retired)):
                await self._changed.wait()
            if life.worker is not None and (life.worker.is_ready or life.worker.is_retired):
                pause = self.limits.worker_pause
                continue
            with trio.move_on_after(pause):
                await self._wait_draining()
            pause = min(2 * pause, self.limits.max_worker_pause)

    async def _wait_draining(self) -> None:
        while not self._is_draining:
            await self._changed.wait()

    async def wait_over(self) -> None:
        """Return once they have drained and ended, and none comes any more."""
        await self._wait_draining()
        await self.wait_ended()

    async def wait_settled(self) -> None:
        """Return once they have no requests under way, as far as they have told."""
        while self._workers and self.usage.now("exchanges"):  # noqa: ASYNC110 - they tell now and then
            await trio.sleep(self.limits.worker_report_interval)

    async def _run_one(self, index: int, life: _Life) -> None:
        """Start a worker and look after it until it has ended."""
        try:
            process, sock = await start_worker(self.settings, self.listeners(), self.internal)
        except OSError as error:
            self.log.error("worker_not_started", worker=index, error=error.strerror)
            life.is_over = True
            self._note_change()
            return
        worker = life.worker = _Worker(process, trio.SocketStream(trio.socket.from_stdlib_socket(sock)))
        self._workers[process.pid] = worker
        why = "it ended"
        try:
            why = await self._serve(worker)
        finally:
            del self._workers[process.pid]
            if worker.outbox is not None:
                self.source.detach(worker.outbox)
            self.usage.forget(worker)
            with trio.CancelScope(shield=True, deadline=trio.current_time() + self.limits.worker_end_timeout):
                await _end(worker)
            life.is_over = True
            if worker.is_retired:
                self._tell_retired()  # another process may get its id
            self._note_change()
        if not (self._is_draining or worker.is_retired):
            self.log.warning("worker_ended", worker=index, pid=process.pid, why=why, status=process.returncode)

    async def _serve(self, worker: _Worker) -> str:
        """Send and receive until either is over; returns why."""
        why = "it ended"
        async with trio.open_nursery() as nursery:

            async def watch() -> None:
                nonlocal why
                why = await self._watch(worker)
                nursery.cancel_scope.cancel()

            nursery.start_soon(watch, name="watch on a worker")
            nursery.start_soon(self._send, worker, name="feed of a worker")
            try:
                await self._receive(worker)
            except (ValueError, RemoteProtocolError) as error:
                why = f"it said what is no word of a worker's: {error}"
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                pass
            nursery.cancel_scope.cancel()
        return why

    async def _watch(self, worker: _Worker) -> str:
        """Return once a worker has not said what it should have in time, with what that is."""
        with trio.move_on_after(self.limits.worker_start_timeout):
            while worker.outbox is None or worker.outbox.acknowledged < 0:
                await self._changed.wait()
        outbox = worker.outbox
        if outbox is None or outbox.acknowledged < 0:
            return "it did not start in time"
        while True:
            while not outbox.waits:
                await self._changed.wait()
            before = outbox.acknowledged
            with trio.move_on_after(self.limits.worker_ack_timeout):
                while outbox.acknowledged == before:
                    await self._changed.wait()
                continue
            # We may have been kept from our work ourselves, and its word be there.
            await trio.sleep(self.limits.worker_ack_timeout / 10)
            if outbox.acknowledged == before:
                return "it did not take in what it was told in time"

    async def _send(self, worker: _Worker) -> None:
        while True:
            if worker.outbox is None or not worker.outbox.has_news:
                await self._changed.wait()
                continue
            piece = b""
            try:
                for line in worker.outbox.take():
                    piece += line
                    if len(piece) >= WORKER_READ_SIZE:
                        self._note_change()  # from now on it is waited for
                        await worker.feed.send_all(piece)
                        piece = b""
                self._note_change()
                await worker.feed.send_all(piece)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                return  # which shows where it is listened to

    async def _receive(self, worker: _Worker) -> None:
        lines = LineReader(MAX_WORKER_LINE)
        while data := await worker.feed.receive_some(WORKER_READ_SIZE):
            lines.receive_data(data)
            while (line := lines.next_event()) is not None:
                self._take(worker, parse_json(line))

    def _take(self, worker: _Worker, message: object) -> None:
        match message:
            case {"ready": True}:
                worker.outbox = self.source.attach()
            case {"ack": int() as number} if worker.outbox is not None:
                is_new = not worker.is_ready
                worker.outbox.acknowledge(number)
                if is_new:
                    self.log.info("worker_ready", pid=worker.process.pid)
            case {"unused": str() as route_id}:
                worker.unused.add(route_id)
            case {"failed": [str() as route_id, str() as failure, str() as where]}:
                self.reports.note_failure(route_id, failure, where)
                return
            case {"audit": dict() as fields}:
                self.audit(fields)
                return
            case dict():
                self.usage.receive(worker, message)
                return
            case _:
                raise ValueError("no object")
        self._note_change()


def _lags(worker: _Worker, number: int) -> bool:
    # One that has not had everything once, too: what it is about to serve by may be older.
    return worker.outbox is not None and worker.outbox.acknowledged < number


async def _end(worker: _Worker) -> None:
    """Have a worker's process be gone."""
    await trio.aclose_forcefully(worker.feed)
    if worker.process.poll() is None:
        worker.process.kill()
    await worker.process.wait()
