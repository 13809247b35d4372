"""The access feed tells the latest of each session, and a predecessor lets in no more, never more than it did."""

from __future__ import annotations

import json

import pytest
import trio.testing

from conductor_trio.limits.server import ServerLimits
from conductor_trio.server.lifecycle.access_feed import RELEASED, AccessFeed, apply_access_line
from conductor_trio.server.routing.states import Cause
from tests.support.routes import make_route, make_table
from tests.support.shares import make_share

LIMITS = ServerLimits()
ONE, TWO = make_share(id="one"), make_share(b"another", id="two")


async def test_what_is_told_is_the_latest_of_each() -> None:
    routes = make_table(LIMITS)
    first = routes.register(make_route(host="a.test", shares=(ONE, TWO)))
    feed = AccessFeed(routes)
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
    feed = AccessFeed(routes)
    feed.close()
    routes.register(make_route())
    with trio.move_on_after(0) as scope:
        await feed.next_line()
    assert scope.cancelled_caught


async def test_nobody_is_let_in_who_was_not() -> None:
    ours, theirs = make_table(LIMITS), make_table(LIMITS)
    route = ours.register(make_route(shares=(ONE,)))
    feed = AccessFeed(theirs)
    theirs.register(make_route(shares=(ONE, TWO)))
    apply_access_line(await feed.next_line(), ours)
    assert ours.get(route.id) == route
    theirs.register(make_route(host="of-nobody.test"))
    apply_access_line(await feed.next_line(), ours)
    assert ours.find("of-nobody.test") is None


@pytest.mark.parametrize(
    "line", [b"", b"{", b"1", b'{"route": "a"}', b'{"route": "a", "auth": "x", "shares": []}']
)
async def test_what_is_no_line_of_it_is_told(line: bytes) -> None:
    with pytest.raises(ValueError):
        apply_access_line(line, make_table(LIMITS))
