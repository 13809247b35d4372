"""The access feed tells the latest of each session, and a predecessor lets in no more, never more than it did."""

from __future__ import annotations

import json
from collections.abc import Callable

import attrs
import pytest
import trio.testing

from conductor_trio.control.events import ServerEvent, Stop
from conductor_trio.control.messages import Takeover
from conductor_trio.limits.server import ServerLimits
from conductor_trio.server.lifecycle.access_feed import RELEASED, AccessFeed, apply_access_line
from conductor_trio.server.routing.routes import Route
from conductor_trio.server.routing.states import Cause
from conductor_trio.server.routing.table import RouteTable
from conductor_trio.server.sessions.records import SessionRecord, SessionRecords
from tests.support.routes import make_route, make_table
from tests.support.shares import make_named, make_share

LIMITS = ServerLimits()
ONE, TWO = make_share(id="one"), make_named("bob", id="two")


async def test_what_is_told_is_the_latest_of_each() -> None:
    routes = make_table(LIMITS)
    first = routes.register(make_route(host="a.test", shares=(ONE, TWO)))
    feed = AccessFeed(routes, SessionRecords(routes))
    routes.set_access(first.id, first.access.without(["one"]))
    routes.register(make_route(host="b.test"))
    routes.set_access(first.id, first.access.without(["one", "two"]))
    routes.change(first.id, Cause.LINK_LOST)
    feed.note_released()
    told = [json.loads(await feed.next_line()) for _ in range(3)]
    assert [(line["route"], line["shares"]) for line in told[:2]] == [("a.test", []), ("b.test", [])]
    assert told[2] == json.loads(RELEASED)
    with trio.move_on_after(0) as scope:
        await feed.next_line()
    assert scope.cancelled_caught


async def test_what_is_closed_notes_nothing() -> None:
    routes = make_table(LIMITS)
    feed = AccessFeed(routes, SessionRecords(routes))
    feed.close()
    routes.register(make_route())
    with trio.move_on_after(0) as scope:
        await feed.next_line()
    assert scope.cancelled_caught


async def test_nobody_is_let_in_who_was_not() -> None:
    ours, theirs = make_table(LIMITS), make_table(LIMITS)
    records = SessionRecords(ours)
    route = ours.register(make_route(shares=(ONE,)))
    feed = AccessFeed(theirs, SessionRecords(theirs))
    theirs.register(make_route(shares=(ONE, TWO)))
    apply_access_line(await feed.next_line(), ours, records)
    assert ours.get(route.id) == route
    theirs.register(make_route(host="of-nobody.test"))
    apply_access_line(await feed.next_line(), ours, records)
    assert ours.find("of-nobody.test") is None


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{",
        b"1",
        b'{"route": "a"}',
        b'{"route": "a", "auth": "x", "shares": []}',
        b'{"over": "a"}',
        b'{"stop": 1}',
    ],
)
async def test_what_is_no_line_of_it_is_told(line: bytes) -> None:
    with pytest.raises(ValueError):
        routes = make_table(LIMITS)
        apply_access_line(line, routes, SessionRecords(routes))


def lend(routes: RouteTable) -> Route:
    """Put a predecessor's session into a table."""
    return routes.register(attrs.evolve(make_route(is_resumable=True), is_borrowed=True))


def leave(routes: RouteTable, moved: Route) -> None:
    routes.change(moved.id, Cause.LEFT)


def lose_link(routes: RouteTable, moved: Route) -> None:
    routes.change(moved.id, Cause.LINK_LOST)


def come_anew(routes: RouteTable, moved: Route) -> None:
    routes.register(make_route(is_resumable=True))


def take_over(routes: RouteTable, moved: Route) -> None:
    routes.register(make_route(token=b"another"), Takeover.ANY)


def take_over_with_the_same_token(routes: RouteTable, moved: Route) -> None:
    routes.register(make_route(), Takeover.ANY)


@pytest.mark.parametrize("has_moved", [True, False])
@pytest.mark.parametrize(
    ("what", "is_over", "was_replaced"),
    [
        (leave, True, False),
        (lose_link, False, False),  # which the predecessor sees for itself
        (come_anew, False, False),
        (take_over, True, True),
        (take_over_with_the_same_token, True, True),
    ],
)
async def test_the_predecessor_hears_which_sessions_are_over(
    what: Callable[[RouteTable, Route], None], is_over: bool, was_replaced: bool, has_moved: bool
) -> None:
    ours, theirs = make_table(LIMITS), make_table(LIMITS)
    records = SessionRecords(ours)
    record = records.get(ours.register(make_route(is_resumable=True)).id)
    assert record is not None
    their_records = SessionRecords(theirs)
    route = lend(theirs)
    feed = AccessFeed(theirs, their_records)
    if has_moved:
        route = theirs.register(make_route(is_resumable=True))
    what(theirs, route)
    feed.note_released()
    while (line := await feed.next_line()) != RELEASED + b"\n":
        apply_access_line(line, ours, records)
    assert (record.scope.cancel_called, record.was_replaced) == (is_over, was_replaced)
    if is_over:
        assert record.ends_as is Cause.LEFT


async def test_the_owner_s_wish_to_stop_reaches_a_client_that_has_not_moved() -> None:
    ours, theirs = make_table(LIMITS), make_table(LIMITS)
    records, their_records = SessionRecords(ours), SessionRecords(theirs)
    told: list[ServerEvent] = []

    def record_of(all_records: SessionRecords, route: Route) -> SessionRecord:
        found = all_records.get(route.id)
        assert found is not None
        return found

    record_of(records, ours.register(make_route(is_resumable=True))).notify_client = told.append
    lent = record_of(their_records, lend(theirs))
    feed = AccessFeed(theirs, their_records)
    assert lent.notify_client is not None
    lent.notify_client(Stop())
    apply_access_line(await feed.next_line(), ours, records)
    assert told == [Stop()]
    operators = Stop(by="operator", reason="noise")
    lent.notify_client(operators)
    apply_access_line(await feed.next_line(), ours, records)
    assert told == [Stop(), operators]
    feed.close()
    lent.notify_client(Stop())
    with trio.move_on_after(0) as scope:
        await feed.next_line()
    assert scope.cancelled_caught
    for line in (b'{"stop": "unknown.test"}', b'{"over": "unknown.test", "replaced": false}'):
        apply_access_line(line, ours, records)
