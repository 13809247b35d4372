"""What a server leaves to its successor: written when it changes, nobody else's to read, and never in the way."""

from __future__ import annotations

import os
import stat
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest
import trio
from structlog.testing import capture_logs
from trio.testing import wait_all_tasks_blocked

from conductor_trio.limits.server import ServerLimits
from conductor_trio.log import get_logger
from conductor_trio.server.lifecycle.state_file import StateFile
from conductor_trio.server.orders.orders import Drain, Orders
from conductor_trio.server.orders.saved import save_orders
from conductor_trio.server.routing.routes import Route
from conductor_trio.server.routing.snapshot import Snapshot, format_snapshot, parse_snapshot
from conductor_trio.server.routing.states import Cause
from conductor_trio.server.routing.table import Clock, RouteTable
from tests.support.programs import wait_until
from tests.support.routes import make_route, make_table
from tests.support.users import BOB, real_person

LIMITS = ServerLimits(state_pause=0.001)
ONE, TWO = make_route(host="a-u.example.org"), make_route(host="b-u.example.org")


def open_file(path: Path) -> tuple[StateFile, RouteTable]:
    """Return a state file, and the table that it follows."""
    routes = make_table(LIMITS)
    return StateFile(str(path), routes, LIMITS, get_logger()), routes


def hosts(*routes: Route) -> list[tuple[str, ...]]:
    return [route.hosts for route in routes]


def held(file: StateFile) -> list[tuple[str, ...]]:
    """Return the hosts of the routes that the file holds."""
    snapshot = file.read()
    return [] if snapshot is None else hosts(*snapshot.routes)


def register(routes: RouteTable, *wanted: Route) -> None:
    for route in wanted:
        routes.register(attrs.evolve(route))


def test_what_another_user_has_put_there_is_ignored(short_tmp: Path) -> None:
    bob = real_person(BOB)
    path = short_tmp / "state"
    path.write_bytes(b"".join(format_snapshot(Snapshot(since=1.0, routes=(ONE,)))))

    async def main() -> None:
        file, _ = open_file(path)
        assert held(file) == hosts(ONE)
        os.chown(path, bob.uid, bob.gid)
        with capture_logs() as logged:
            assert file.read() is None
        assert [entry["error"] for entry in logged] == ["it is another user's"]

    trio.run(main)


@pytest.mark.parametrize(
    "data", [b"", b"{}", b"\xff", b'{"snapshot": 2, "since": 1, "routes": 1}\n', b"[" * 100_000]
)
def test_what_is_no_snapshot_is_ignored(short_tmp: Path, data: bytes) -> None:
    (short_tmp / "state").write_bytes(data)

    async def main() -> None:
        file, _ = open_file(short_tmp / "state")
        with capture_logs() as logged:
            assert file.read() is None
        assert [entry["event"] for entry in logged] == ["state_ignored"]

    trio.run(main)


@pytest.mark.parametrize("umask", [0o000, 0o777])
async def test_the_file_is_its_owners_alone(short_tmp: Path, umask: int) -> None:
    path = short_tmp / "state"
    file, routes = open_file(path)
    assert file.read() is None
    register(routes, ONE, TWO)
    before = os.umask(umask)
    try:
        await file.write()
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    snapshot = file.read()
    assert snapshot is not None and snapshot.routes == (ONE, TWO)
    assert list(short_tmp.iterdir()) == [path]


async def test_without_routes_there_is_no_file(short_tmp: Path) -> None:
    file, _ = open_file(short_tmp / "state")
    (short_tmp / "state").touch()
    with capture_logs() as logged:
        await file.write()
        await file.write()
    assert list(short_tmp.iterdir()) == [] and not logged


async def test_a_link_is_neither_read_nor_written_through(short_tmp: Path) -> None:
    file, routes = open_file(short_tmp / "state")
    register(routes, ONE)
    target = short_tmp / "target"
    target.write_bytes(b"".join(format_snapshot(Snapshot(since=1, routes=(TWO,)))))
    for name in ("state", "state.new"):
        (short_tmp / name).symlink_to(target)
    with capture_logs() as logged:
        assert file.read() is None
        await file.write()
    assert [entry["event"] for entry in logged] == ["state_ignored"]
    assert parse_snapshot(target.read_bytes().splitlines(), LIMITS).routes == (TWO,)
    assert held(file) == hosts(ONE)


async def test_it_follows_the_routes(short_tmp: Path) -> None:
    file, routes = open_file(short_tmp / "state")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(file.keep)
        for index, route in enumerate((ONE, TWO)):
            register(routes, route)
            await wait_until(lambda: held(file) == hosts(ONE, TWO)[: index + 1])  # noqa: B023
        nursery.cancel_scope.cancel()


async def test_a_disk_that_takes_nothing_is_told_once_until_it_does_again(short_tmp: Path) -> None:
    path = short_tmp / "missing" / "state"
    file, routes = open_file(path)
    register(routes, ONE)
    with capture_logs() as logged:
        for _ in range(3):
            await file.write()
        assert [entry["event"] for entry in logged] == ["state_not_written"]
        path.parent.mkdir()
        await file.write()
        path.with_name("state.new").mkdir()
        await file.write()
    assert [entry["event"] for entry in logged] == ["state_not_written"] * 2
    assert held(file) == hosts(ONE)  # as it was


class SlowRoutes(tuple[Route, ...]):
    """Routes that a thread takes its time to write."""

    begun = threading.Event()
    may_go_on = threading.Event()

    def __iter__(self) -> Iterator[Route]:
        """Wait in the middle of it."""
        self.begun.set()
        self.may_go_on.wait(20)
        return super().__iter__()


class SlowTable(RouteTable):
    """A table whose first snapshot is slow to be written."""

    is_slow = True

    def snapshot(self) -> Snapshot:
        """Return the routes."""
        snapshot = super().snapshot()
        if self.is_slow:
            self.is_slow = False
            return attrs.evolve(snapshot, routes=SlowRoutes(snapshot.routes))
        return snapshot


async def test_a_thread_that_was_given_up_does_not_bring_an_older_state_back(short_tmp: Path) -> None:
    """As at the server's end, when sessions have just ended and the machine is busy."""
    routes = SlowTable(LIMITS, Clock(monotonic=trio.current_time, wall=time.time))
    file = StateFile(str(short_tmp / "state"), routes, LIMITS, get_logger())
    route = routes.register(attrs.evolve(ONE))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(file.write)
        await wait_until(SlowRoutes.begun.is_set)
        nursery.cancel_scope.cancel()
    routes.change(route.id, Cause.LEFT)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(file.write)
        await wait_all_tasks_blocked(0.05)
        SlowRoutes.may_go_on.set()
    await wait_until(lambda: not (short_tmp / "state.new").exists())  # the first thread has ended
    assert list(short_tmp.iterdir()) == []


async def test_orders_are_kept_without_a_route_and_gone_with_the_last(short_tmp: Path) -> None:
    routes, orders = make_table(LIMITS), Orders()
    path = short_tmp / "state"
    file = StateFile(str(path), routes, LIMITS, get_logger(), orders)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(file.keep)
        orders.set_drain(Drain(since=1.0, reason="disks"))
        await wait_until(path.exists)
        snapshot = file.read()
        assert snapshot is not None and snapshot.orders == save_orders(orders)
        orders.set_drain(None)
        await wait_until(lambda: not path.exists())
        nursery.cancel_scope.cancel()
