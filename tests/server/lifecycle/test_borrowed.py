"""Sessions that the predecessor lends: reached here, left to their clients' new sessions, expected at its end."""

from __future__ import annotations

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from conductor_trio.access.tokens import hash_token
from conductor_trio.errors import RegistrationRefused
from conductor_trio.limits import ServerLimits
from conductor_trio.server.lifecycle.borrowed import (
    BorrowedRoutes,
    LentSession,
    exportable_sessions,
    format_lent,
    parse_lent,
)
from conductor_trio.server.proxy.upstream import UpstreamPool
from conductor_trio.server.routing.routes import DetachedRoute, Route
from conductor_trio.server.routing.table import RouteTable

LIMITS = ServerLimits()
HOST = "app-alice.example.org"
SESSION = LentSession(
    user="alice", key="app", hosts=(HOST,), token_hash=hash_token(b"t"), relay_path="/nowhere/socket", moves=True
)

sessions = st.builds(
    LentSession,
    user=st.text(),
    key=st.text(),
    hosts=st.lists(st.text(), min_size=1).map(tuple),
    token_hash=st.binary().map(hash_token),
    relay_path=st.text(),
    moves=st.booleans(),
)


@given(st.lists(sessions).map(tuple))
def test_what_is_written_can_be_read(lent: tuple[LentSession, ...]) -> None:
    line = format_lent(lent)
    assert line.count(b"\n") == 1
    assert parse_lent(line) == lent


BEGINNING = format_lent((SESSION,)).rstrip(b"}]\n")


@pytest.mark.parametrize("line", [b"", b"{}", b"[1]", b"[{}]"])
def test_what_is_no_list_of_sessions_is_a_value_error(line: bytes) -> None:
    with pytest.raises(ValueError):
        parse_lent(line)


@pytest.mark.parametrize("field", [b'"moves": 1', b'"hosts": []', b'"hosts": [1]', b'"token_hash": "ab"'])
def test_a_field_that_is_not_what_it_should_be_is_a_value_error(field: bytes) -> None:
    with pytest.raises(ValueError):
        parse_lent(BEGINNING + b", " + field + b"}]\n")  # the last of several counts


def make_route(*, user: str = "alice", token: bytes = b"t") -> Route:
    """Return a session's of our own."""
    pool = UpstreamPool("/elsewhere/socket", LIMITS)
    return Route(user=user, key="app", hosts=(HOST,), token_hash=hash_token(token), pool=pool)


def found(routes: RouteTable) -> Route:
    route = routes.find(HOST)
    assert isinstance(route, Route)
    return route


def make_lent(routes: RouteTable, *lent: LentSession) -> BorrowedRoutes:
    return BorrowedRoutes(lent or (SESSION,), routes, LIMITS)


async def test_it_is_there_at_once_and_expected_at_the_end() -> None:
    routes = RouteTable(LIMITS)
    lent = make_lent(routes)
    assert found(routes).pool.path == SESSION.relay_path and len(routes) == 1
    scope = trio.CancelScope()
    found(routes).enter(scope)
    lent.end()
    assert scope.cancel_called
    assert isinstance(routes.find(HOST), DetachedRoute) and len(routes) == 0


async def test_who_takes_the_name_lets_what_runs_go_on(autojump_clock: trio.testing.MockClock) -> None:
    routes = RouteTable(LIMITS)
    lent, scope = make_lent(routes), trio.CancelScope()
    former = found(routes)
    former.enter(scope)
    has_moved = trio.Event()

    async def wait_moved() -> None:
        await lent.wait_moved()
        has_moved.set()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait_moved)
        await trio.sleep(60)
        with routes.registered(make_route()):
            assert found(routes) is not former
            await trio.sleep(60)
            assert len(routes) == 1
            assert not scope.cancel_called and not has_moved.is_set()
            former.leave(scope)
            await has_moved.wait()
            lent.end()
            assert isinstance(found(routes), Route)


async def test_its_name_is_as_safe_as_a_live_one() -> None:
    routes = RouteTable(LIMITS)
    lent = make_lent(routes)
    for other in (make_route(user="bob"), make_route(token=b"another")):
        with pytest.raises(RegistrationRefused, match="name taken"), routes.registered(other):
            pass
    lent.end()


async def test_who_cannot_move_is_not_waited_for(autojump_clock: trio.testing.MockClock) -> None:
    routes = RouteTable(LIMITS)
    parsed = parse_lent(format_lent((SESSION,)).replace(b"true", b"false"))
    lent = make_lent(routes, *parsed)
    await lent.wait_moved()
    assert isinstance(found(routes), Route)
    lent.end()
    assert isinstance(routes.find(HOST), DetachedRoute)


async def test_only_what_is_ours_and_up_can_be_lent() -> None:
    routes = RouteTable(LIMITS)
    lent = make_lent(routes)
    assert exportable_sessions(routes) == ()
    lent.end()
    assert exportable_sessions(routes) == ()
    own = make_route()
    with routes.registered(own):
        [session] = exportable_sessions(routes)
        assert (session.relay_path, session.moves) == (own.pool.path, False)
        own.is_resumable = True
        assert exportable_sessions(routes)[0].moves
        own.starting_since = 1.0
        assert exportable_sessions(routes) == ()
