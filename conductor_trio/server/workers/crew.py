"""The crew: all workers of a server, started, told, listened to, and replaced where one ends or does not answer.

::

    start_worker ─▸ first word ─▸ follows the feed: told, acknowledged ─▸ its end, or none of its words in time
         ▴                                                                    │
         └──────────────────── at once, or after a pause where it never served ────────┘

Each worker has one task here that sends and one that receives. What a client hears to be so is so at every worker:
`wait_known`. Workers that have outlived the server before are adopted: they drain, and of routes they hear only
who gets in no more, and what is over (`routing.mirror.feed_ends`).
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Sequence

import attrs
import trio

from conductor_trio.control.lines import LineReader
from conductor_trio.errors import RemoteProtocolError
from conductor_trio.limits.linger import BRIEF_LINGER
from conductor_trio.limits.server import ServerLimits
from conductor_trio.limits.workers import MAX_WORKER_LINE, WORKER_READ_SIZE
from conductor_trio.log import Logger
from conductor_trio.net.listeners import Listener
from conductor_trio.net.peer_credentials import Credentials
from conductor_trio.server.lifecycle.handover_channel import FAILURES
from conductor_trio.server.routing.feed import FeedSource
from conductor_trio.server.routing.keys import ACCEPTING, DRAINING, FINISHING, LOGS, OVER, RETIRED, UNUSED
from conductor_trio.server.routing.ports import SessionReports
from conductor_trio.server.settings import ServerSettings
from conductor_trio.server.workers.adoption import Orphan, Orphans
from conductor_trio.server.workers.member import Life, Member
from conductor_trio.server.workers.orphan import adoption_path
from conductor_trio.server.workers.sharing import Sharing
from conductor_trio.server.workers.start import start_worker
from conductor_trio.server.workers.usage import WorkersUsage
from conductor_trio.strict_json import parse_json


@attrs.define(eq=False, kw_only=True)
class Crew:
    """One server's workers: `count` of them, none where the server does all by itself.

    They are told what is in `source`, and those that are adopted what is in `ends`; `listeners`, `internal` and
    `orphans` are set before `run`.
    """

    count: int
    settings: ServerSettings
    limits: ServerLimits
    log: Logger
    source: FeedSource
    usage: WorkersUsage
    sharing: Sharing
    reports: SessionReports
    audit: Callable[[dict[str, object]], None]  #: writes an event, with its time, to the audit log
    listeners: Callable[[], Sequence[Listener]] = attrs.field(default=tuple)
    internal: str = ""
    orphans: Orphans = attrs.field(factory=Orphans)
    ends: FeedSource = attrs.field(factory=FeedSource)
    adopted_ended: trio.Event = attrs.field(factory=trio.Event, init=False)  #: none is left of those
    _workers: dict[int, Member] = attrs.field(factory=dict, init=False)  # by their ids
    _changed: trio.Event = attrs.field(factory=trio.Event, init=False)
    _is_draining: bool = attrs.field(default=False, init=False)
    _logs_opened: int = attrs.field(default=0, init=False)

    def __attrs_post_init__(self) -> None:
        self.source.on_change = self.ends.on_change = self._note_change

    def _note_change(self) -> None:
        self._changed.set()
        self._changed = trio.Event()

    def _set(self, key: str, value: object) -> None:
        if self.count:
            self.source.set(key, value)
        if self.orphans.all:
            self.ends.set(key, value)

    def is_worker(self, peer: Credentials) -> bool:
        """Whether that process is one of them."""
        return peer.pid in self._workers

    @property
    def ready(self) -> int:
        """How many accept of those that were started here."""
        return sum(worker.source is self.source and worker.accepts for worker in self._workers.values())

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
        numbers = {source: source.number for source in (self.source, self.ends)}
        while any(worker.lags(numbers[worker.source]) for worker in self._workers.values()):
            await self._changed.wait()

    def accept(self, *, is_accepting: bool) -> None:
        """Have them accept from now on, or no more."""
        self._set(ACCEPTING, is_accepting)

    def renew(self) -> None:
        """Have others take their places, who get the listeners as they are now; they end once nobody is left."""
        for worker in self._workers.values():
            worker.is_retired = True
            self.sharing.detach(worker)  # what it has is beside what those have who come
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
        self._note_change()  # those that are adopted drain already

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
            nursery.start_soon(self._adopt_all, name="adopted workers")
            for index in range(self.count):
                nursery.start_soon(self._keep, index, nursery, name=f"place of worker {index}")

    async def _keep(self, index: int, nursery: trio.Nursery) -> None:
        pause = self.limits.worker_pause
        while not self._is_draining:
            life = Life()
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

    async def _run_one(self, index: int, life: Life) -> None:
        """Start a worker and look after it until it has ended."""
        try:
            process, sock = await start_worker(self.settings, self.listeners(), self.internal)
        except OSError as error:
            self.log.error("worker_not_started", worker=index, error=error.strerror)
            life.is_over = True
            self._note_change()
            return
        feed = trio.SocketStream(trio.socket.from_stdlib_socket(sock))
        worker = life.worker = Member(process, feed, self.source)
        try:
            why = await self._look_after(worker)
        finally:
            life.is_over = True
            if worker.is_retired:
                self._tell_retired()  # another process may get its id
            self._note_change()
        if not (self._is_draining or worker.is_retired):
            self.log.warning("worker_ended", worker=index, pid=process.pid, why=why, status=process.returncode)

    async def _adopt_all(self) -> None:
        async with trio.open_nursery() as nursery:
            for orphan in self.orphans.all:
                nursery.start_soon(self._adopt, orphan, name=f"adopted worker {orphan.process.pid}")
        self.adopted_ended.set()

    async def _adopt(self, orphan: Orphan) -> None:
        """Have a worker of the server before drain, and end in time."""
        try:
            feed = await orphan.adopt(self.internal)
        except FAILURES:
            return  # it has ended
        worker = Member(orphan.process, feed, self.ends)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._end_in_time, name="grace period of adopted workers")
            why = await self._look_after(worker)
            nursery.cancel_scope.cancel()
        self.log.info("adopted_ended", pid=orphan.process.pid, why=why)

    async def _end_in_time(self) -> None:
        await trio.sleep(self.limits.grace_timeout)
        self.ends.set(FINISHING, value=True)

    async def _look_after(self, worker: Member) -> str:
        """Tell it and listen to it until it has ended; returns why."""
        process = worker.process
        self._workers[process.pid] = worker
        why = "it ended"
        try:
            why = await self._serve(worker)
        finally:
            del self._workers[process.pid]
            if worker.outbox is not None:
                worker.source.detach(worker.outbox)
            self.usage.forget(worker)
            with trio.CancelScope(shield=True, deadline=trio.current_time() + self.limits.worker_end_timeout):
                await worker.end()
            self.sharing.detach(worker)
            with contextlib.suppress(OSError):  # what one that was killed has left
                os.unlink(adoption_path(os.path.dirname(self.internal), process.pid))
            self._note_change()
        return why

    async def _serve(self, worker: Member) -> str:
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

    async def _watch(self, worker: Member) -> str:
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

    async def _send(self, worker: Member) -> None:
        while True:
            if worker.outbox is None or not worker.outbox.has_news:
                await self._changed.wait()
                continue
            try:
                await worker.send_news(worker.outbox, self._note_change)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                return  # which shows where it is listened to

    async def _receive(self, worker: Member) -> None:
        lines = LineReader(MAX_WORKER_LINE)
        while data := await worker.feed.receive_some(WORKER_READ_SIZE):
            lines.receive_data(data)
            while (line := lines.next_event()) is not None:
                self._take(worker, parse_json(line))

    def _take(self, worker: Member, message: object) -> None:
        match message:
            case {"ready": True}:
                worker.outbox = worker.source.attach()
                if worker.source is self.source and not worker.is_retired:  # others have what they had
                    self.sharing.attach(worker, worker.outbox.tell)
            case {"ack": int() as number} if worker.outbox is not None:
                is_new = not worker.is_ready
                worker.outbox.acknowledge(number)
                if is_new and worker.source is self.source:
                    self.log.info("worker_ready", pid=worker.process.pid)
            case {"unused": str() as route_id}:
                worker.unused.add(route_id)
            case {"failed": [str() as route_id, str() as failure, str() as where]}:
                self.reports.note_failure(route_id, failure, where)
                return
            case {"audit": dict() as fields}:
                self.audit(fields)
                return
            case {"share": dict() as word}:
                if not worker.is_retired:
                    self.sharing.receive(worker, word)
                return
            case dict():
                self.usage.receive(worker, message)
                return
            case _:
                raise ValueError("no object")
        self._note_change()
