"""What the data plane keeps for a route comes and goes with it, and takes down what runs for it."""

from __future__ import annotations

from collections.abc import Callable

import attrs
import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from conductor_trio.access.grants import OWNER, Principal, Share
from conductor_trio.access.tokens import hash_token
from conductor_trio.control.messages import Takeover
from conductor_trio.limits.server import ServerLimits
from conductor_trio.net.poller import EdgePoller
from conductor_trio.server.accounts.gradual import GradualWork
from conductor_trio.server.accounts.holdings import Holdings
from conductor_trio.server.accounts.ledger import Ledger
from conductor_trio.server.proxy.cancellation import CancelReason, ConnectionScope
from conductor_trio.server.proxy.route_runtime import RouteRuntime, RouteRuntimes
from conductor_trio.server.routing.routes import Route
from conductor_trio.server.routing.ruling import Load
from conductor_trio.server.routing.states import Cause, Starting
from conductor_trio.server.routing.table import RouteTable
from tests.support.routes import make_route, make_table
from tests.support.runtimes import reason_of

LIMITS = ServerLimits(max_route_connections=2)
FRIEND = Principal("s1")


def make_share(id_: str = FRIEND) -> Share:
    digest = hash_token(id_.encode())
    return Share(id=id_, label="", created=0.0, expires=None, link_hash=digest, token_hash=digest, is_once=False)


@attrs.frozen
class Bench:
    """A table, and what follows it."""

    routes: RouteTable
    ledger: Ledger
    runtimes: RouteRuntimes

    def register(self, route: Route, takeover: Takeover = Takeover.OWN) -> RouteRuntime:
        self.routes.register(route, takeover)
        runtime = self.runtimes.get(route.id)
        assert runtime is not None
        return runtime


def make_bench() -> Bench:
    routes, ledger = make_table(LIMITS), Ledger(LIMITS)
    return Bench(
        routes, ledger, RouteRuntimes(routes, ledger, Holdings(LIMITS), LIMITS, EdgePoller(), GradualWork())
    )


def entered(runtime: RouteRuntime, principal: Principal = OWNER) -> ConnectionScope:
    connection = ConnectionScope()
    runtime.enter(connection, principal)
    return connection


def _replace(bench: Bench, route: Route) -> None:
    bench.register(attrs.evolve(route, id="another"))


ENDS: dict[str, Callable[[Bench, Route], None]] = {
    "its link is lost": lambda bench, route: bench.routes.change(route.id, Cause.LINK_LOST),
    "its client leaves": lambda bench, route: bench.routes.change(route.id, Cause.LEFT),
    "the operator cuts it": lambda bench, route: bench.routes.change(route.id, Cause.CUT),
    "another one takes its name": _replace,
    "it is ended": lambda bench, route: bench.runtimes.end(route.id, CancelReason.LINK_LOST),
}


@pytest.mark.parametrize(
    ("how", "is_resumable", "reason"),
    [
        ("its link is lost", True, CancelReason.LINK_LOST),
        ("its client leaves", True, CancelReason.SESSION_ENDED),
        ("its client leaves", False, CancelReason.LINK_LOST),  # of which nobody can tell
        ("the operator cuts it", True, CancelReason.ACCESS_ENDED),
        ("the operator cuts it", False, CancelReason.ACCESS_ENDED),
        ("another one takes its name", True, CancelReason.LINK_LOST),
        ("it is ended", True, CancelReason.LINK_LOST),
    ],
)
async def test_what_runs_for_a_session_ends_with_it(how: str, is_resumable: bool, reason: CancelReason) -> None:
    bench = make_bench()
    route = make_route(is_resumable=is_resumable)
    runtime = bench.register(route)
    connection = entered(runtime)
    other = entered(bench.register(make_route(host="other.test")))
    ENDS[how](bench, route)
    assert reason_of(connection) is reason
    assert bench.runtimes.get(route.id) is None and runtime.ended_as is reason
    assert reason_of(other) is None
    late = entered(runtime)  # who had it in hand already
    assert reason_of(late) is reason
    assert len(bench.ledger) == len(bench.runtimes)


async def test_one_that_starts_has_a_runtime_and_keeps_it_when_it_is_ready() -> None:
    bench = make_bench()
    route = make_route(state=Starting(since=0.0))
    runtime = bench.register(route)
    connection = entered(runtime)
    bench.routes.change(route.id, Cause.READY)
    assert bench.runtimes.get(route.id) is runtime and reason_of(connection) is None


async def test_those_that_are_there_at_the_begin_have_one() -> None:
    routes = make_table(LIMITS)
    here, gone = routes.register(make_route()), routes.register(make_route(host="gone.test"))
    routes.change(gone.id, Cause.LINK_LOST)
    runtimes = RouteRuntimes(routes, Ledger(LIMITS), Holdings(LIMITS), LIMITS, EdgePoller(), GradualWork())
    assert runtimes.get(here.id) is not None and runtimes.get(gone.id) is None


async def test_who_was_let_in_by_a_share_goes_with_it() -> None:
    bench = make_bench()
    route = make_route(shares=(make_share(), make_share("s2")))
    runtime = bench.register(route)
    owner, friend, other = entered(runtime), entered(runtime, FRIEND), entered(runtime, Principal("s2"))
    bench.routes.set_access(route.id, route.access.without([FRIEND]))
    assert reason_of(friend) is CancelReason.ACCESS_ENDED
    assert reason_of(owner) is None and reason_of(other) is None


async def test_what_runs_over_a_borrowed_socket_may_go_on_until_it_is_ended() -> None:
    bench = make_bench()
    lent = attrs.evolve(make_route(is_resumable=True), is_borrowed=True)
    connection = entered(bench.register(lent))
    assert bench.register(make_route()) is not bench.runtimes.get(lent.id)
    assert reason_of(connection) is None
    bench.runtimes.end(lent.id, CancelReason.LINK_LOST)
    assert reason_of(connection) is CancelReason.LINK_LOST
    bench.runtimes.end(lent.id, CancelReason.LINK_LOST)  # again does nothing


def _revoke(bench: Bench, moved: Route) -> None:
    bench.routes.set_access(moved.id, moved.access.without([FRIEND]))


def _take_over(bench: Bench, moved: Route) -> None:
    bench.routes.register(make_route(is_resumable=True), Takeover.ANY)


@pytest.mark.parametrize(
    ("what", "of_friend", "of_owner"),
    [
        (_revoke, CancelReason.ACCESS_ENDED, None),
        (_replace, CancelReason.LINK_LOST, CancelReason.LINK_LOST),
        (_take_over, CancelReason.LINK_LOST, CancelReason.LINK_LOST),
        (ENDS["its client leaves"], CancelReason.SESSION_ENDED, CancelReason.SESSION_ENDED),
        (ENDS["its link is lost"], CancelReason.LINK_LOST, CancelReason.LINK_LOST),
    ],
)
async def test_what_runs_over_a_borrowed_socket_is_that_of_the_session_that_has_moved(
    what: Callable[[Bench, Route], None], of_friend: CancelReason | None, of_owner: CancelReason | None
) -> None:
    bench = make_bench()
    lent = attrs.evolve(make_route(is_resumable=True, shares=(make_share(),)), is_borrowed=True)
    runtime = bench.register(lent)
    owner, friend = entered(runtime), entered(runtime, FRIEND)
    moved = bench.routes.register(make_route(is_resumable=True))
    assert reason_of(owner) is reason_of(friend) is None
    what(bench, moved)
    assert (reason_of(friend), reason_of(owner)) == (of_friend, of_owner)
    bench.runtimes.end(lent.id, CancelReason.LINK_LOST)
    assert len(bench.ledger) == len(bench.runtimes)


async def test_a_borrowed_session_that_another_client_takes_over_ends() -> None:
    bench = make_bench()
    connection = entered(bench.register(attrs.evolve(make_route(is_resumable=True), is_borrowed=True)))
    bench.routes.register(make_route(is_resumable=True), Takeover.ANY)
    assert reason_of(connection) is CancelReason.LINK_LOST


async def test_whoever_waits_for_the_last_connection_hears_of_its_end() -> None:
    bench = make_bench()
    route = make_route()
    runtime = bench.register(route)
    one, two = entered(runtime), entered(runtime)
    has_ended = trio.Event()

    async def wait() -> None:
        await bench.runtimes.wait_unused(route.id)
        has_ended.set()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait)
        await wait_all_tasks_blocked()
        runtime.leave(one)
        runtime.leave(one)
        await wait_all_tasks_blocked()
        assert not has_ended.is_set()
        runtime.leave(two)
    await bench.runtimes.wait_unused(route.id)
    await bench.runtimes.wait_unused("nobody's")


async def test_so_many_connections_and_no_more_are_the_load() -> None:
    runtime = make_bench().register(make_route())
    connections = []
    for expected in (Load.NORMAL, Load.NORMAL, Load.FULL):
        assert runtime.load is expected
        connections.append(entered(runtime))
    runtime.leave(connections.pop())
    runtime.leave(connections.pop())
    assert runtime.load is Load.NORMAL


async def test_the_account_tells_who_is_connected() -> None:
    bench = make_bench()
    route = make_route(shares=(make_share(),))
    runtime = bench.register(route)
    for principal in (OWNER, FRIEND, FRIEND):
        entered(runtime, principal)
    assert bench.ledger.session(route.id, route.user).visitors() == {OWNER: 1, FRIEND: 2}


# Those who look at a session's page.


@pytest.mark.parametrize("is_detached", [False, True])
async def test_onlookers_go_with_the_share_that_let_them_in(is_detached: bool) -> None:
    bench = make_bench()
    route = make_route(shares=(make_share(),))
    bench.register(route)
    owner, friend, gone = ConnectionScope(), ConnectionScope(), ConnectionScope()
    for connection, principal in ((owner, OWNER), (friend, FRIEND), (gone, FRIEND)):
        bench.runtimes.onlookers.enter(connection, route, principal)
    bench.runtimes.onlookers.leave(gone, route)
    if is_detached:
        bench.routes.change(route.id, Cause.LINK_LOST)
    assert reason_of(friend) is None
    bench.routes.set_access(route.id, route.access.without([FRIEND]))
    assert reason_of(friend) is CancelReason.ACCESS_ENDED
    assert reason_of(owner) is None and reason_of(gone) is None
    for connection in (owner, friend):
        bench.runtimes.onlookers.leave(connection, route)
    bench.runtimes.onlookers.leave(owner, route)


@pytest.mark.parametrize(("token", "goes"), [(b"t", False), (b"another", True)])
async def test_onlookers_stay_for_the_same_owners_next_session_only(token: bytes, goes: bool) -> None:
    bench = make_bench()
    route = make_route()
    bench.register(route)
    onlooker = ConnectionScope()
    bench.runtimes.onlookers.enter(onlooker, route, OWNER)
    bench.register(make_route(token=token), Takeover.ANY)
    assert (reason_of(onlooker) is not None) is goes
