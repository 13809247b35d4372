"""What a visitor's connection becomes when it has changed its protocol: a tunnel to the application."""

from __future__ import annotations

import attrs

from conductor_trio.access.grants import Principal
from conductor_trio.limits.linger import BRIEF_LINGER
from conductor_trio.net.ending import end_gently
from conductor_trio.net.relay import Splice
from conductor_trio.net.stream import SocketStream, Stream
from conductor_trio.server.observability.request_watch import RequestWatch
from conductor_trio.server.proxy.cancellation import CancelReason, ConnectionScope
from conductor_trio.server.proxy.context import ProxyContext
from conductor_trio.server.proxy.route_runtime import RouteRuntime


@attrs.define(kw_only=True, eq=False)
class Tunnel:
    """The connection changed its protocol: what is left to do is to carry bytes both ways.

    The exchange hands it to the visitor's connection, which owns `upstream` from then on, so that nothing of the
    request stays in memory for as long as the tunnel lives.
    """

    runtime: RouteRuntime
    principal: Principal
    upstream: SocketStream
    from_visitor: bytes  #: what came early
    from_application: bytes

    def take_early(self) -> tuple[bytes, bytes]:
        """Return what came early from either, and keep it no longer."""
        early = self.from_visitor, self.from_application
        self.from_visitor = self.from_application = b""
        return early


async def relay_tunnel(
    tunnel: Tunnel, visitor: Stream, context: ProxyContext, connection: ConnectionScope, watch: RequestWatch
) -> None:
    """Carry the new protocol's bytes both ways, those that came early first, until its end; closes `upstream`.

    What was said before the end of the server still arrives. So does what the application said before the end of
    its session, while nothing of the visitor's reaches it any more; with the visitor's access all is cut at once.
    """
    runtime, upstream = tunnel.runtime, tunnel.upstream

    async def count(sink: Stream, size: int) -> None:
        if sink is visitor:
            runtime.traffic.count_to_visitors(size)
            watch.sent += size
        else:
            runtime.traffic.count_to_application(size)
        await runtime.account.wait_turn()

    splice = Splice(visitor, upstream, context.buffer, context.limits, count)

    def finish(reason: CancelReason) -> bool:
        is_ending = reason is CancelReason.SERVER_ENDS  # and nobody goes on talking
        if is_ending and not (splice.is_sending or upstream.has_unread()):
            return False
        splice.finish(BRIEF_LINGER if is_ending else context.limits.ended_session, hears_one=is_ending)
        return True

    finish_exchange, connection.finish = connection.finish, finish
    runtime.enter(connection, tunnel.principal)
    try:
        await splice.run(*tunnel.take_early())
        # What is sent over a UNIX socket is there already; an application that goes on talking is to notice soon.
        await end_gently(upstream, BRIEF_LINGER)
    finally:
        runtime.leave(connection)
        connection.finish = finish_exchange
        upstream.close()
