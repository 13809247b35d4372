"""Snapshots: what is written can be read, of either version; anything else is a ValueError; users are bounded."""

from __future__ import annotations

import json
import operator

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conductor_trio.access.grants import Access, Share
from conductor_trio.access.tokens import hash_token
from conductor_trio.limits.constants import MAX_SNAPSHOT_LINE
from conductor_trio.limits.server import ServerLimits
from conductor_trio.server.routing.routes import Route
from conductor_trio.server.routing.snapshot import (
    Snapshot,
    SnapshotReader,
    format_snapshot,
    parse_lent_v1,
    parse_snapshot,
)
from conductor_trio.server.routing.states import Detached, Ended, Live, Starting
from tests.support.routes import make_route, make_table

LIMITS = ServerLimits()
HASH = hash_token(b"t").encode()

times = st.floats(0, 1e10)
hashes = st.binary().map(hash_token)
shares = st.builds(
    Share,
    id=st.text(),
    label=st.text(),
    created=times,
    expires=st.none() | times,
    link_hash=hashes,
    token_hash=st.none() | hashes,
    is_once=st.booleans(),
)
people = st.builds(
    Share,
    id=st.text(),
    label=st.text(),
    created=times,
    expires=st.none() | times,
    link_hash=st.none(),
    token_hash=st.none(),
    is_once=st.just(False),
    grantee=st.text(min_size=1),
)
routes = st.builds(
    Route,
    id=st.text(min_size=1),
    user=st.none() | st.text(),
    key=st.text(),
    hosts=st.lists(st.text(min_size=1), min_size=1, unique=True).map(tuple),
    access=st.builds(
        Access,
        owner_hash=hashes,
        shares=st.builds(
            operator.add, st.lists(shares, max_size=3).map(tuple), st.lists(people, max_size=3).map(tuple)
        ),
    ),
    state=st.builds(Starting, since=times)
    | st.builds(Live, since=times)
    | st.builds(Detached, since=times, expires=st.just(0.0)),
    relay_path=st.none() | st.text(),
    is_resumable=st.booleans(),
    node=st.text(),
    application=st.text(),
    command=st.text(),
    until=st.none() | times,
)


@given(times, st.lists(routes).map(tuple))
def test_what_is_written_can_be_read(since: float, routes: tuple[Route, ...]) -> None:
    snapshot = Snapshot(since=since, routes=routes)
    lines = list(format_snapshot(snapshot))
    assert len(lines) == 1 + len(routes) and all(line.count(b"\n") == 1 for line in lines)
    assert parse_snapshot(lines, LIMITS) == snapshot


def test_what_has_ended_is_left_out_and_what_is_lent_to_us_is_not_lent_on() -> None:
    ended = make_route(state=Ended(since=1.0, expires=2.0))
    borrowed = attrs.evolve(make_route(host="b.test"), is_borrowed=True)
    read = parse_snapshot(format_snapshot(Snapshot(since=1.0, routes=(ended, borrowed))), LIMITS)
    assert read.routes == (attrs.evolve(borrowed, is_borrowed=False, relay_path=None),)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff",
        b"null",
        b"[]",
        b"{}",
        b'{"since": 1}',
        b'{"since": "1", "routes": []}',
        b'{"since": NaN, "routes": []}',
        b'{"since": -1, "routes": []}',
        b'{"since": 1e999, "routes": []}',
        b'{"since": 1' + b"0" * 400 + b', "routes": []}',
        b'{"since": 1, "routes": {}}',
        b'{"since": 1, "routes": [1]}',
        b'{"since": 1, "routes": [{"hosts": [], "auth": "%s"}]}' % HASH,
        b'{"since": 1, "routes": [{"hosts": "a", "auth": "%s"}]}' % HASH,
        b'{"since": 1, "routes": [{"hosts": ["a", 1], "auth": "%s"}]}' % HASH,
        b'{"since": 1, "routes": [{"hosts": ["a"], "auth": "%s"}]}' % HASH[1:],
        b'{"since": 1, "routes": [{"hosts": ["a"]}]}',
        b"[" * 100_000,
        b'{"snapshot": 3, "since": 1, "routes": 0}',
        b'{"snapshot": 2, "since": 1, "routes": -1}',
        b'{"snapshot": 2, "since": 1, "routes": 1e9}',
        b'{"snapshot": 2, "since": 1, "routes": 100000000}',
        b'{"snapshot": 2, "since": NaN, "routes": 0}',
        b'{"snapshot": 2, "since": 1, "routes": 1}',  # and then nothing
        b'{"snapshot": 2, "since": 1, "routes": 0}\n{}',
        b'{"snapshot": 2, "since": 1, "routes": 1}\n{}',
        b'{"snapshot": 2, "since": 1, "routes": 1}\n' + b"[" * 100_000,
    ],
)
def test_anything_else_is_a_value_error(data: bytes) -> None:
    with pytest.raises(ValueError):
        parse_snapshot(data.split(b"\n"), LIMITS)


ONE = json.loads(list(format_snapshot(Snapshot(since=1.0, routes=(make_route(),))))[1])


@pytest.mark.parametrize(
    "wrong",
    [
        {"id": ""},
        {"user": 1},
        {"hosts": []},
        {"hosts": [""]},
        {"auth": "ab"},
        {"shares": [{}]},
        {"named": [{}]},
        {"shares": None},
        {"state": "ended"},
        {"since": -1},
        {"relay": 1},
        {"resumable": 1},
    ],
)
def test_a_field_that_is_not_what_it_should_be_is_a_value_error(wrong: dict[str, object]) -> None:
    reader = SnapshotReader(LIMITS)
    reader.receive_line(b'{"snapshot": 2, "since": 1, "routes": 1}')
    with pytest.raises(ValueError):
        reader.receive_line(json.dumps(ONE | wrong).encode())


@pytest.mark.parametrize("until", ["1" + "0" * 400, "1e999", "NaN", "true", "-1", '"soon"'])
def test_an_odd_time_is_none(until: str) -> None:
    line = json.dumps(ONE | {"until": 77.25}).replace("77.25", until)
    assert (
        parse_snapshot([b'{"snapshot": 2, "since": 1, "routes": 1}', line.encode()], LIMITS).routes[0].until
        is None
    )


@given(st.lists(st.sampled_from("abc"), min_size=1), st.lists(st.sampled_from("abc"), min_size=1))
def test_hosts_that_come_twice_do_no_harm(one: list[str], other: list[str]) -> None:
    """In one route, or in two: the first has it, and all can end."""
    lines = [json.dumps(ONE | {"id": str(n), "hosts": hosts}).encode() for n, hosts in enumerate((one, other))]
    snapshot = parse_snapshot([b'{"snapshot": 2, "since": 1, "routes": 2}', *lines], LIMITS)
    now = 0.0
    table = make_table(LIMITS, lambda: now)
    table.restore(snapshot)
    assert {host for route in table.snapshot().routes for host in route.hosts} >= set(one)
    now = 1e9
    table.expire()
    table.expire()
    assert table.detached == 0


def test_fields_that_are_not_known_are_ignored() -> None:
    reader = SnapshotReader(LIMITS)
    reader.receive_line(b'{"snapshot": 2, "since": 1, "routes": 1, "more": 1}')
    reader.receive_line(json.dumps(ONE | {"more": 1}).encode())
    assert reader.is_complete and len(reader.snapshot.routes) == 1


def test_a_line_is_bounded() -> None:
    reader = SnapshotReader(LIMITS)
    reader.receive_line(b'{"snapshot": 2, "since": 1, "routes": 1}')
    with pytest.raises(ValueError, match="too long"):
        reader.receive_line(json.dumps(ONE | {"more": "x" * MAX_SNAPSHOT_LINE}).encode())


def test_sessions_beyond_a_users_own_number_are_left_out() -> None:
    limits = ServerLimits(max_user_sessions=2)
    many = tuple(make_route(host=f"{n}.test") for n in range(5))
    other = make_route(host="bob.test", user="bob")
    read = parse_snapshot(format_snapshot(Snapshot(since=1.0, routes=(*many, other))), limits)
    assert read.routes == (*many[:2], other)


def test_a_snapshot_of_version_1_is_read() -> None:
    auth = hash_token(b"one")
    line = json.dumps({"since": 7.0, "routes": [{"hosts": ["a.test", "b.test"], "auth": auth}]}).encode()
    snapshot = parse_snapshot([line], LIMITS)
    assert snapshot.since == 7.0
    [route] = snapshot.routes
    assert (route.hosts, route.access.owner_hash, route.user) == (("a.test", "b.test"), auth, None)
    assert route.is_detached


LENT = {
    "user": "alice",
    "key": "app",
    "hosts": ["app-alice.test"],
    "token_hash": hash_token(b"t"),
    "relay_path": "/nowhere/socket",
    "moves": True,
}


def test_the_sessions_that_a_server_of_version_1_lends_are_read() -> None:
    [route] = parse_lent_v1(json.dumps([LENT]).encode(), 7.0)
    assert route.state == Live(since=7.0) and route.is_resumable and route.relay_path == "/nowhere/socket"
    assert (route.user, route.key, route.hosts) == ("alice", "app", ("app-alice.test",))


@pytest.mark.parametrize("line", [b"", b"{}", b"[1]", b"[{}]"])
def test_what_is_no_list_of_sessions_is_a_value_error(line: bytes) -> None:
    with pytest.raises(ValueError):
        parse_lent_v1(line, 1.0)


@pytest.mark.parametrize(
    "wrong", [{"moves": 1}, {"hosts": []}, {"hosts": [1]}, {"token_hash": "ab"}, {"shares": 1}]
)
def test_a_lent_session_with_a_wrong_field_is_a_value_error(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        parse_lent_v1(json.dumps([LENT | wrong]).encode(), 1.0)


def test_orders_go_with_the_routes_and_may_be_missing() -> None:
    orders: dict[str, object] = {"blocks": [], "drain": {"since": 1.0, "reason": "disks"}, "announcement": None}
    snapshot = Snapshot(since=1.0, routes=(), orders=orders)
    assert parse_snapshot(format_snapshot(snapshot), LIMITS) == snapshot
    [line] = format_snapshot(Snapshot(since=1.0, routes=()))
    assert b"orders" not in line
    assert parse_snapshot([b'{"snapshot": 2, "since": 1.0, "routes": 0, "orders": 7}'], LIMITS).orders == {}
