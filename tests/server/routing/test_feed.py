"""The feed between processes, driven in any order: tables that change, replicas that come, lag behind and die."""

from __future__ import annotations

from typing import Any

import attrs
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

from conductor_trio.access.grants import Access, Share
from conductor_trio.access.tokens import hash_token
from conductor_trio.limits.server import ServerLimits
from conductor_trio.server.routing.feed import FeedReplica, FeedSource, Outbox
from conductor_trio.server.routing.mirror import ROUTE, MirrorTable, describe_fed, feed_routes, parse_fed
from conductor_trio.server.routing.routes import Route
from conductor_trio.server.routing.states import Cause, Starting
from conductor_trio.server.routing.table import Clock
from tests.support.routes import make_route, make_table

LIMITS = ServerLimits(detached_timeout=60, tombstone_timeout=3600, max_tombstones=3, max_user_tombstones=2)
HOSTS = ("a.test", "b.test", "c.test")


def share(name: str) -> Share:
    """Return a share of that id."""
    digest = hash_token(name.encode())
    return Share(id=name, label="", created=0.0, expires=None, link_hash=digest, token_hash=digest, is_once=False)


class Mirror:
    """Puts routes into a mirror, and everything else into a dictionary."""

    def __init__(self) -> None:
        self.table = MirrorTable(LIMITS, Clock(monotonic=lambda: 0.0, wall=lambda: 0.0))
        self.others: dict[str, object] = {}
        self.told: list[object] = []

    def hear(self, value: object) -> None:
        """Take what is told to this replica alone."""
        self.told.append(value)

    def set(self, key: str, value: object) -> None:
        """Take a value in."""
        if key.startswith(ROUTE):
            self.table.put(parse_fed(value))
        else:
            self.others[key] = value

    def drop(self, key: str, why: str) -> None:
        """Have nothing under a key any more."""
        if key.startswith(ROUTE):
            self.table.drop(key.removeprefix(ROUTE), Cause(why))
        else:
            self.others.pop(key, None)  # which it has never heard of, if it was there for a moment


@attrs.define(eq=False)
class Worker:
    """One replica, with the lines that are under way to it, and the words that are under way from it."""

    outbox: Outbox
    mirror: Mirror = attrs.field(factory=Mirror)
    lines: list[bytes] = attrs.field(factory=list)
    words: list[int] = attrs.field(factory=list)
    told: list[int] = attrs.field(factory=list)  # to it alone
    replica: FeedReplica = attrs.field(init=False)
    is_alive: bool = True

    def __attrs_post_init__(self) -> None:
        self.replica = FeedReplica(self.mirror)


Known = tuple[frozenset[str], dict[str, object]]


class Feeds(RuleBasedStateMachine):
    """At each number that a worker acknowledges, its table is what the source's was at that number."""

    workers: Bundle[Worker] = Bundle("workers")

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.table = make_table(LIMITS, lambda: self.now)
        self.source = FeedSource()
        feed_routes(self.table, self.source)
        self.others: dict[str, object] = {}
        self.history: dict[int, Known] = {}
        self.alive: list[Worker] = []
        self.note()

    def note(self) -> None:
        """Remember what is so at this number."""
        self.history[self.source.number] = known(list(self.table)), dict(self.others)

    def routes(self, data: st.DataObject) -> Route | None:
        """Choose a route."""
        found = sorted(self.table, key=lambda route: route.id)
        return data.draw(st.sampled_from(found)) if found else None

    @rule(host=st.sampled_from(HOSTS), is_starting=st.booleans(), is_resumable=st.booleans())
    def register(self, host: str, is_starting: bool, is_resumable: bool) -> None:
        state = Starting(since=1.0) if is_starting else None
        self.table.register(make_route(host=host, state=state, is_resumable=is_resumable))
        self.note()

    @rule(data=st.data(), cause=st.sampled_from([Cause.READY, Cause.LINK_LOST, Cause.LEFT, Cause.CUT]))
    def change(self, data: Any, cause: Cause) -> None:
        route = self.routes(data)
        if route is not None and route.is_attached:
            self.table.change(route.id, cause)
            self.note()

    @rule(data=st.data(), names=st.sets(st.sampled_from(["s1", "s2"])))
    def share(self, data: Any, names: set[str]) -> None:
        route = self.routes(data)
        if route is not None:
            shares = tuple(share(name) for name in sorted(names))
            self.table.set_access(route.id, Access(owner_hash=route.access.owner_hash, shares=shares))
            self.note()

    @rule(seconds=st.sampled_from([1.0, 61.0, 3601.0]))
    def expire(self, seconds: float) -> None:
        self.now += seconds
        self.table.expire()
        self.note()

    @rule(key=st.sampled_from(["accepting", "orders"]), value=st.sampled_from([True, False, {"x": 1}]))
    def set(self, key: str, value: object) -> None:
        self.source.set(key, value)
        self.others[key] = value
        self.note()

    @rule(key=st.sampled_from(["accepting", "orders"]))
    def drop(self, key: str) -> None:
        assert self.source.drop(key) is (key in self.others)
        self.others.pop(key, None)
        self.note()

    @rule(target=workers)
    def attach(self) -> Worker:
        worker = Worker(self.source.attach())
        self.alive.append(worker)
        return worker

    @rule(worker=workers)
    def die(self, worker: Worker) -> None:
        if worker.is_alive:
            worker.is_alive = False
            self.alive.remove(worker)
            self.source.detach(worker.outbox)

    @rule(worker=workers)
    def tell(self, worker: Worker) -> None:
        if worker.is_alive:
            worker.told.append(len(worker.told))
            worker.outbox.tell(worker.told[-1])
            assert worker.outbox.has_news

    @rule(worker=workers)
    def send(self, worker: Worker) -> None:
        if worker.is_alive and worker.outbox.has_news:
            worker.lines += worker.outbox.take()
            assert not worker.outbox.has_news

    @rule(worker=workers, count=st.integers(1, 20))
    def receive(self, worker: Worker, count: int) -> None:
        for _ in range(count):
            if not worker.lines:
                return
            number = worker.replica.receive_line(worker.lines.pop(0).rstrip(b"\n"))
            if number is not None:
                routes, others = self.history[number]
                assert known(list(worker.mirror.table)) == routes
                assert worker.mirror.others == others
                worker.words.append(number)

    @rule(worker=workers)
    def acknowledge(self, worker: Worker) -> None:
        if worker.is_alive and worker.words:
            worker.outbox.acknowledge(number := worker.words.pop(0))
            assert worker.outbox.acknowledged == number

    @invariant()
    def nothing_is_acknowledged_that_was_not_sent(self) -> None:
        assert all(worker.outbox.acknowledged <= self.source.number for worker in self.alive)

    @invariant()
    def each_name_leads_to_one_route(self) -> None:
        for worker in self.alive:
            table = worker.mirror.table
            assert all(table.find(host) is route for route in table for host in route.hosts)

    def teardown(self) -> None:
        """In the end all are told everything."""
        for worker in self.alive:
            self.send(worker)
            self.receive(worker, len(worker.lines))
            assert worker.replica.number == self.source.number
            assert worker.mirror.told == worker.told


def known(routes: list[Route]) -> frozenset[str]:
    """Return what a worker is to know of routes."""
    return frozenset(repr(sorted(describe_fed(route).items(), key=lambda item: item[0])) for route in routes)


TestFeeds: type = Feeds.TestCase


@pytest.mark.parametrize(
    "line", [b"{}", b"x", b'{"set": 1, "value": 1}', b'{"commit": -1}', b'{"commit": true}', b'{"drop": "a"}']
)
def test_what_is_no_line_of_a_feed_is_refused(line: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        FeedReplica(Mirror()).receive_line(line)


def test_what_was_not_sent_cannot_be_acknowledged() -> None:
    outbox = FeedSource().attach()
    with pytest.raises(ValueError, match="not sent"):
        outbox.acknowledge(0)
    assert list(outbox.take()) == [b'{"commit": 0}\n']
    outbox.acknowledge(0)
    with pytest.raises(ValueError, match="not sent"):
        outbox.acknowledge(0)


def test_what_is_told_to_one_alone_is_no_change() -> None:
    source = FeedSource()
    changes: list[int] = []
    source.on_change = lambda: changes.append(source.number)
    one, other = source.attach(), source.attach()
    assert list(one.take()) == list(other.take())
    one.tell({"x": 1})
    assert changes == [0] and one.has_news and not other.has_news
    assert list(one.take()) == [b'{"tell": {"x": 1}}\n']
    one.acknowledge(0)
    assert not one.waits
    source.set("a", 1)
    one.tell(2)
    assert next(one.take()) == b'{"tell": 2}\n'


def test_what_is_not_sent_yet_is_sent_once_as_it_is_by_then() -> None:
    source = FeedSource()
    outbox = source.attach()
    list(outbox.take())
    for value in range(1000):
        source.set("a", value)
    source.set("b", 1)
    source.drop("b", "over")
    assert not source.set("a", 999)
    assert list(outbox.take()) == [
        b'{"set": "a", "value": 999}\n',
        b'{"drop": "b", "value": "over"}\n',
        b'{"commit": 1002}\n',
    ]
