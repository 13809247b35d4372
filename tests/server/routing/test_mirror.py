"""The mirror of a route table: what it publishes is what its data plane goes by."""

from __future__ import annotations

import attrs
import pytest

from conductor_trio.access.grants import Access, Share
from conductor_trio.access.tokens import hash_token
from conductor_trio.limits.server import ServerLimits
from conductor_trio.server.routing.feed import (
    FeedReplica,
    FeedSource,
    RouteChange,
    RouteChanged,
    RouteDown,
    RouteUp,
)
from conductor_trio.server.routing.mirror import (
    ACCESS,
    ENDED,
    MirrorTable,
    describe_fed,
    feed_ends,
    feed_routes,
    parse_fed,
)
from conductor_trio.server.routing.routes import Route
from conductor_trio.server.routing.states import Cause, Detached, Ended, Live, Starting
from conductor_trio.server.routing.table import Clock
from tests.support.routes import make_route, make_table


def make_mirror() -> tuple[MirrorTable, list[RouteChange]]:
    mirror = MirrorTable(ServerLimits(), Clock(monotonic=lambda: 0.0, wall=lambda: 0.0))
    changes: list[RouteChange] = []
    mirror.subscribe(changes.append)
    return mirror, changes


@pytest.mark.parametrize(
    "state",
    [
        Live(since=1.0),
        Starting(since=2.0),
        Detached(since=3.0, expires=0.0),
        Ended(since=4.0, expires=0.0),
        Ended(since=4.0, expires=0.0, is_cut=True),
    ],
)
@pytest.mark.parametrize("is_borrowed", [False, True])
def test_a_route_is_told_as_it_is(state: Live | Starting | Detached | Ended, is_borrowed: bool) -> None:
    route = attrs.evolve(make_route(state=state, is_resumable=True), is_borrowed=is_borrowed, node="n1")
    assert parse_fed(describe_fed(route)) == route


def test_changes_are_published() -> None:
    mirror, changes = make_mirror()
    route = make_route()
    mirror.put(route)
    lost = attrs.evolve(route, state=Detached(since=5.0, expires=0.0), relay_path=None)
    mirror.put(lost)
    mirror.drop(route.id, Cause.REPLACED)
    mirror.drop(route.id, Cause.REPLACED)
    assert changes == [
        RouteUp(route=route),
        RouteChanged(route=lost, before=route),
        RouteDown(route=lost, cause=Cause.REPLACED),
    ]
    assert mirror.find(route.hosts[0]) is None and not list(mirror)


def test_whoever_gets_in_stays_the_same_value() -> None:
    mirror, _ = make_mirror()
    route = make_route(state=Starting(since=1.0))
    mirror.put(route)
    mirror.put(attrs.evolve(route, state=Live(since=2.0), access=Access(owner_hash=route.access.owner_hash)))
    found = mirror.get(route.id)
    assert found is not None and found.is_live and found.access is route.access


def test_a_name_that_is_another_s_by_now_was_taken() -> None:
    mirror, changes = make_mirror()
    first, second = make_route(), make_route()
    mirror.put(first)
    mirror.put(second)
    assert changes[1:] == [RouteDown(route=first, cause=Cause.REPLACED), RouteUp(route=second)]


def test_what_is_there_already_is_told_too() -> None:
    table, source = make_table(ServerLimits(), lambda: 0.0), FeedSource()
    route = table.register(make_route())
    feed_routes(table, source)
    assert any(route.id.encode() in line for line in source.attach().take())


class Narrowed:
    """A worker of an earlier server, as far as routes go."""

    def __init__(self, *routes: Route) -> None:
        self.mirror, self.changes = make_mirror()
        for route in routes:
            self.mirror.put(route)

    def set(self, key: str, value: object) -> None:
        """Take a value."""
        if key.startswith(ENDED):
            self.mirror.end(key.removeprefix(ENDED))
        else:
            self.mirror.narrow(key.removeprefix(ACCESS), value)

    def drop(self, key: str, why: str) -> None:
        """Is never told that."""
        raise AssertionError

    def hear(self, value: object) -> None:
        """Is never told anything alone."""
        raise AssertionError


def share(name: str) -> Share:
    return Share(
        id=name,
        label="",
        created=0.0,
        expires=None,
        link_hash=hash_token(b"l" + name.encode()),
        token_hash=hash_token(name.encode()),
        is_once=False,
    )


def test_a_former_server_s_worker_hears_who_is_let_in_no_more_and_what_is_over() -> None:
    table, source = make_table(ServerLimits(), lambda: 0.0), FeedSource()
    feed_ends(table, source)
    outbox = source.attach()
    kept, revoked = share("kept"), share("revoked")
    former = make_route(shares=(kept, revoked), is_resumable=True)
    worker = Narrowed(former)
    replica = FeedReplica(worker)

    def tell() -> Route:
        for line in outbox.take():
            replica.receive_line(line.removesuffix(b"\n"))
        [route] = worker.mirror
        return route

    assert tell() == former
    here = table.register(make_route(shares=(kept, share("new")), is_resumable=True))
    told = tell()
    assert told.is_live and told.access.shares == (kept,)
    table.set_access(here.id, here.access.without(["kept"]))
    assert tell().access.shares == ()
    table.change(here.id, Cause.LEFT)
    assert tell().has_ended
    table.register(make_route(shares=(kept,)))
    assert tell().has_ended


def test_another_owner_lets_in_nobody_of_before() -> None:
    table, source = make_table(ServerLimits(), lambda: 0.0), FeedSource()
    feed_ends(table, source)
    worker = Narrowed(make_route(shares=(share("kept"),)))
    table.register(make_route(token=b"other", shares=(share("kept"),)))
    replica = FeedReplica(worker)
    for line in source.attach().take():
        replica.receive_line(line.removesuffix(b"\n"))
    [route] = worker.mirror
    assert route.access == Access(owner_hash=hash_token(b"other"))


@pytest.mark.parametrize("value", [None, {}, {"auth": "x", "shares": []}, {"auth": hash_token(b"t"), "shares": 1}])
def test_what_does_not_say_who_gets_in_is_refused(value: object) -> None:
    mirror, _ = make_mirror()
    with pytest.raises(ValueError, match="nobody"):
        mirror.narrow("app-alice.test", value)


def test_a_session_that_is_expected_back_may_be_over_as_well() -> None:
    mirror, changes = make_mirror()
    route = make_route(state=Detached(since=3.0, expires=0.0))
    mirror.put(route)
    mirror.end(route.hosts[0])
    mirror.end(route.hosts[0])
    mirror.end("nobody.test")
    assert changes[1:] == [RouteDown(route=route, cause=Cause.LEFT)]
