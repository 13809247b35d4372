"""What a visitor's connection becomes when it has changed its protocol: a tunnel to the application."""

from __future__ import annotations

import contextlib

import attrs
import trio

from conductor_trio.net.relay import STREAM_LOST, splice
from conductor_trio.net.stream import SocketStream, Stream
from conductor_trio.server.proxy.context import Gateway
from conductor_trio.server.routing.routes import Route


@attrs.frozen(kw_only=True, eq=False)
class Tunnel:
    """The connection changed its protocol: what is left to do is to carry bytes both ways.

    The exchange hands it to the visitor's connection, which owns `upstream` from then on, so that nothing of the
    request stays in memory for as long as the tunnel lives.
    """

    route: Route
    grant: str
    upstream: SocketStream
    from_visitor: bytes
    from_application: bytes


async def relay_tunnel(tunnel: Tunnel, visitor: Stream, gateway: Gateway, scope: trio.CancelScope) -> None:
    """Carry the new protocol's bytes both ways, those that came early first, until its end; closes `upstream`.

    `scope` is cancelled when the session ends, or what the visitor was let in by.
    """
    route = tunnel.route

    async def count(sink: Stream, size: int) -> None:
        if sink is visitor:
            route.traffic.count_to_visitors(size)
        else:
            route.traffic.count_to_application(size)
        await gateway.fairness.yield_if_over_share(route.usage)

    gateway.counters.requestActive += 1
    gateway.tunnels += 1
    route.enter(scope, tunnel.grant)
    try:
        with contextlib.suppress(*STREAM_LOST):
            if tunnel.from_visitor:
                await tunnel.upstream.send_all(tunnel.from_visitor)
            if tunnel.from_application:
                await visitor.send_all(tunnel.from_application)
            await splice(visitor, tunnel.upstream, gateway.buffer, passed=count)
    finally:
        route.leave(scope)
        gateway.counters.requestActive -= 1
        gateway.tunnels -= 1
        tunnel.upstream.close()
