"""The mirror of a route table: what it publishes is what its data plane goes by."""

from __future__ import annotations

import attrs
import pytest

from conductor_trio.access.grants import Access
from conductor_trio.limits.server import ServerLimits
from conductor_trio.server.routing.feed import FeedSource, RouteChange, RouteChanged, RouteDown, RouteUp
from conductor_trio.server.routing.mirror import MirrorTable, describe_fed, feed_routes, parse_fed
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
