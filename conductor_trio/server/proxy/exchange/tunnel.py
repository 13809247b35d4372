"""What a visitor's connection becomes when it has changed its protocol: a tunnel to the application."""

from __future__ import annotations

import contextlib

import attrs

from conductor_trio.access.grants import Principal
from conductor_trio.net.relay import STREAM_LOST, splice
from conductor_trio.net.stream import SocketStream, Stream
from conductor_trio.server.proxy.cancellation import ConnectionScope
from conductor_trio.server.proxy.context import ProxyContext
from conductor_trio.server.proxy.route_runtime import RouteRuntime


@attrs.frozen(kw_only=True, eq=False)
class Tunnel:
    """The connection changed its protocol: what is left to do is to carry bytes both ways.

    The exchange hands it to the visitor's connection, which owns `upstream` from then on, so that nothing of the
    request stays in memory for as long as the tunnel lives.
    """

    runtime: RouteRuntime
    principal: Principal
    upstream: SocketStream
    from_visitor: bytes
    from_application: bytes


async def relay_tunnel(
    tunnel: Tunnel, visitor: Stream, context: ProxyContext, connection: ConnectionScope
) -> None:
    """Carry the new protocol's bytes both ways, those that came early first, until its end; closes `upstream`.

    `connection` is cancelled when the session ends, or the access of the visitor.
    """
    runtime = tunnel.runtime

    async def count(sink: Stream, size: int) -> None:
        if sink is visitor:
            runtime.traffic.count_to_visitors(size)
        else:
            runtime.traffic.count_to_application(size)
        await context.fairness.yield_if_over_share(runtime.usage)

    runtime.enter(connection, tunnel.principal)
    try:
        with contextlib.suppress(*STREAM_LOST):
            if tunnel.from_visitor:
                await tunnel.upstream.send_all(tunnel.from_visitor)
            if tunnel.from_application:
                await visitor.send_all(tunnel.from_application)
            await splice(visitor, tunnel.upstream, context.buffer, passed=count)
    finally:
        runtime.leave(connection)
        tunnel.upstream.close()
