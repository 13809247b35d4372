"""The cut of what visitors of a network have under way when that is blocked, and of nothing else."""

from __future__ import annotations

import trio
from trio.testing import wait_all_tasks_blocked

from conductor_trio.access.grants import OWNER
from conductor_trio.limits.server import ServerLimits
from conductor_trio.server.accounts.gradual import GradualWork
from conductor_trio.server.orders.blocks import Block, Blocked
from conductor_trio.server.orders.orders import Announcement, Orders
from conductor_trio.server.proxy.banishment import Banishment
from conductor_trio.server.proxy.cancellation import CancelReason, ConnectionScope
from tests.support.routes import make_route, make_table
from tests.support.runtimes import make_runtimes, reason_of

NETWORK = Block(kind=Blocked.NETWORK, name="192.0.2.0/24", since=1.0)


async def test_requests_tunnels_and_pages_of_the_network_are_cut() -> None:
    limits = ServerLimits()
    routes = make_table(limits)
    runtimes, _ = make_runtimes(routes, limits)
    route = routes.register(make_route())
    runtime = runtimes.get(route.id)
    assert runtime is not None
    orders = Orders()
    inside, outside, unknown, looks = (
        ConnectionScope(address=address) for address in ("192.0.2.9", "198.51.100.1", None, "192.0.2.8")
    )
    for connection in (inside, outside, unknown):
        runtime.enter(connection, OWNER)
    runtimes.onlookers.enter(looks, route, OWNER)
    async with trio.open_nursery() as nursery:
        gradual = GradualWork()
        nursery.start_soon(gradual.run)
        Banishment(orders, runtimes, gradual)
        await wait_all_tasks_blocked()
        orders.announce(Announcement(text="x", since=1.0))
        orders.block(Block(kind=Blocked.USER, name="192.0.2.9", since=1.0))
        await wait_all_tasks_blocked()
        assert reason_of(inside) is None
        orders.block(NETWORK)
        await wait_all_tasks_blocked()
        assert reason_of(inside) is reason_of(looks) is CancelReason.BLOCKED
        assert reason_of(outside) is None and reason_of(unknown) is None
        nursery.cancel_scope.cancel()
    for connection in (inside, outside, unknown):
        runtime.leave(connection)
    runtimes.onlookers.leave(looks, route)
    routes_left = [one.id for one in routes.attached()]
    assert routes_left == [route.id]
