"""What a server leaves to its successor: written when it changes, nobody else's to read, and never in the way."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from conductor_trio.access.tokens import hash_token
from conductor_trio.limits import ServerLimits
from conductor_trio.log import get_logger
from conductor_trio.server.routing.routes import SavedRoute
from conductor_trio.server.routing.snapshot import (
    SavedState,
    StateFile,
    format_state,
    parse_state,
)
from conductor_trio.server.routing.table import RouteTable
from tests.support.programs import wait_until

LIMITS = ServerLimits(state_pause=0.001)
ONE = SavedRoute(hosts=("a-u.example.org", "a-u.example.com"), token_hash=hash_token(b"one"))
TWO = SavedRoute(hosts=("b-u.example.org",), token_hash=hash_token(b"two"))

hosts = st.text(min_size=1).filter(lambda text: text.isprintable())
saved_routes = st.builds(
    SavedRoute, hosts=st.lists(hosts, min_size=1).map(tuple), token_hash=st.binary().map(hash_token)
)


@given(st.floats(0, 1e10), st.lists(saved_routes).map(tuple))
def test_what_is_written_can_be_read(since: float, routes: tuple[SavedRoute, ...]) -> None:
    state = SavedState(since=since, routes=routes)
    line = format_state(state)
    assert line.count(b"\n") == 1
    assert parse_state(line) == state


HASH = hash_token(b"t").encode()


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
    ],
)
def test_anything_else_is_a_value_error_and_ignored(short_tmp: Path, data: bytes) -> None:
    with pytest.raises(ValueError):
        parse_state(data)
    (short_tmp / "state").write_bytes(data)
    with capture_logs() as logged:
        assert StateFile(str(short_tmp / "state"), get_logger()).read() is None
    assert [entry["event"] for entry in logged] == ["state_ignored"]


@pytest.mark.parametrize("umask", [0o000, 0o777])
async def test_the_file_is_its_owners_alone(short_tmp: Path, umask: int) -> None:
    path = short_tmp / "state"
    file, routes = StateFile(str(path), get_logger()), RouteTable(LIMITS)
    assert file.read() is None
    routes.restore([ONE, TWO], 1.0)
    before = os.umask(umask)
    try:
        await file.write(routes, LIMITS)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    state = file.read()
    assert state is not None and state.routes == (ONE, TWO)
    assert list(short_tmp.iterdir()) == [path]


async def test_without_routes_there_is_no_file(short_tmp: Path) -> None:
    file = StateFile(str(short_tmp / "state"), get_logger())
    (short_tmp / "state").touch()
    with capture_logs() as logged:
        await file.write(RouteTable(LIMITS), LIMITS)
        await file.write(RouteTable(LIMITS), LIMITS)
    assert list(short_tmp.iterdir()) == [] and not logged


async def test_a_link_is_neither_read_nor_written_through(short_tmp: Path) -> None:
    routes, target = RouteTable(LIMITS), short_tmp / "target"
    routes.restore([ONE], 1.0)
    target.write_bytes(format_state(SavedState(since=1, routes=(TWO,))))
    for name in ("state", "state.new"):
        (short_tmp / name).symlink_to(target)
    file = StateFile(str(short_tmp / "state"), get_logger())
    with capture_logs() as logged:
        assert file.read() is None
        await file.write(routes, LIMITS)
    assert [entry["event"] for entry in logged] == ["state_ignored"]
    assert parse_state(target.read_bytes()).routes == (TWO,)
    state = file.read()
    assert state is not None and state.routes == (ONE,)


async def test_it_follows_the_routes(short_tmp: Path) -> None:
    file, routes = StateFile(str(short_tmp / "state"), get_logger()), RouteTable(LIMITS)

    def holds(*expected: SavedRoute) -> bool:
        state = file.read()
        return (() if state is None else state.routes) == expected

    async with trio.open_nursery() as nursery:
        nursery.start_soon(file.keep, routes, LIMITS)
        for expected in ([ONE], [ONE, TWO]):
            routes.restore(expected, 1.0)
            await wait_until(lambda: holds(*expected))  # noqa: B023
        nursery.cancel_scope.cancel()


async def test_a_disk_that_takes_nothing_is_told_once_until_it_does_again(short_tmp: Path) -> None:
    path, routes = short_tmp / "missing" / "state", RouteTable(LIMITS)
    routes.restore([ONE], 1.0)
    file = StateFile(str(path), get_logger())
    with capture_logs() as logged:
        for _ in range(3):
            await file.write(routes, LIMITS)
        assert [entry["event"] for entry in logged] == ["state_not_written"]
        path.parent.mkdir()
        await file.write(routes, LIMITS)
        path.with_name("state.new").mkdir()
        await file.write(routes, LIMITS)
    assert [entry["event"] for entry in logged] == ["state_not_written"] * 2
    state = file.read()
    assert state is not None and state.routes == (ONE,)  # as it was
