"""Sessions that the predecessor lends: reached here, left to their clients' new sessions, expected at its end."""

from __future__ import annotations

import attrs
import pytest
import trio

from conductor_trio.access.grants import OWNER
from conductor_trio.errors import RegistrationRefused
from conductor_trio.limits.server import ServerLimits
from conductor_trio.server.lifecycle.borrowed import BorrowedSessions, is_exportable
from conductor_trio.server.routing.routes import Route
from conductor_trio.server.routing.states import Cause, Starting
from conductor_trio.server.routing.table import RouteTable
from tests.support.routes import make_route, make_table
from tests.support.runtimes import Connect, make_runtimes

LIMITS = ServerLimits()
HOST = "app-alice.test"


@attrs.frozen
class Bench:
    """A server's table and data plane, with sessions that a predecessor lends."""

    routes: RouteTable
    borrowed: BorrowedSessions
    connect: Connect

    @property
    def found(self) -> Route:
        """The route that has the name."""
        route = self.routes.find(HOST)
        assert route is not None
        return route


def make_bench(*lent: Route) -> Bench:
    routes = make_table(LIMITS)
    runtimes, connect = make_runtimes(routes, LIMITS)
    borrowed = BorrowedSessions(lent or (make_route(is_resumable=True),), routes, runtimes)
    return Bench(routes, borrowed, connect)


async def test_it_is_there_at_once_and_expected_at_the_end() -> None:
    bench = make_bench()
    assert bench.found.is_live and bench.found.is_borrowed and len(bench.routes) == 1
    connection = bench.connect(bench.found, OWNER)
    assert len(bench.borrowed) == 1
    bench.borrowed.end()
    assert connection.is_cancelled
    assert bench.found.is_detached and len(bench.routes) == 0
    assert len(bench.borrowed) == 0
    await bench.borrowed.wait_ended()


async def test_who_takes_the_name_lets_what_runs_go_on(autojump_clock: trio.testing.MockClock) -> None:
    bench = make_bench()
    former = bench.found
    connection = bench.connect(former, OWNER)
    has_moved = trio.Event()

    async def wait_moved() -> None:
        await bench.borrowed.wait_moved()
        has_moved.set()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait_moved)
        await trio.sleep(60)
        own = bench.routes.register(make_route())
        assert bench.found is own
        await trio.sleep(60)
        assert len(bench.routes) == 1
        assert not connection.is_cancelled and not has_moved.is_set()
        connection.end()
        await has_moved.wait()
        bench.borrowed.end()
        assert bench.found is own and own.is_live


async def test_its_name_is_as_safe_as_a_live_one() -> None:
    bench = make_bench()
    for other in (make_route(user="bob"), make_route(token=b"another")):
        with pytest.raises(RegistrationRefused, match="name taken"):
            bench.routes.register(other)
    bench.borrowed.end()


async def test_who_cannot_move_is_not_waited_for(autojump_clock: trio.testing.MockClock) -> None:
    bench = make_bench(make_route(is_resumable=False))
    await bench.borrowed.wait_moved()
    assert bench.found.is_live
    bench.borrowed.end()
    assert bench.found.is_detached


async def test_only_what_is_ours_and_up_can_be_lent() -> None:
    bench = make_bench()
    assert not any(map(is_exportable, bench.routes.snapshot().routes))
    bench.borrowed.end()
    assert not any(map(is_exportable, bench.routes.snapshot().routes))
    own = bench.routes.register(make_route(host="own.test"))
    assert is_exportable(own)
    starting = bench.routes.register(make_route(host="starting.test", state=Starting(since=1.0)))
    assert not is_exportable(starting)
    bench.routes.change(starting.id, Cause.READY)
    assert [route.id for route in bench.routes.snapshot().routes if is_exportable(route)] == [own.id, starting.id]


async def test_without_any_nothing_is_waited_for() -> None:
    routes = make_table(LIMITS)
    runtimes, _ = make_runtimes(routes, LIMITS)
    borrowed = BorrowedSessions((), routes, runtimes)
    await borrowed.wait_ended()
    await borrowed.wait_moved()
