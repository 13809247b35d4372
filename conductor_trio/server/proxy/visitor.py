"""A visitor, from the moment of being accepted to the last byte: who it is, TLS, its connection, its end."""

from __future__ import annotations

import socket
import ssl

import trio

from conductor_trio.http1.forwarded import Peer
from conductor_trio.net.relay import STREAM_LOST
from conductor_trio.net.stream import SocketStream
from conductor_trio.net.tls import TlsStream
from conductor_trio.server.proxy.answering import lingering_close, turn_away
from conductor_trio.server.proxy.connection import VisitorConnection
from conductor_trio.server.proxy.context import ProxyContext
from conductor_trio.server.proxy.exchange.exchange import Outcome


async def serve_visitor(sock: socket.socket, context: ProxyContext, tls: ssl.SSLContext | None) -> None:
    """Serve a connection that was just accepted, to its end; nothing that happens in it gets out."""
    raw = SocketStream(sock, send_timeout=context.limits.send_stall_timeout)
    context.activity.visitors += 1
    try:
        peer = _peer_of(sock, context, is_https=tls is not None)
        if context.activity.visitors > context.limits.max_visitors:
            if tls is None:
                await turn_away(raw, context)
            return
        stream = raw if tls is None else await _shake_hands(raw, tls, context)
        outcome = await VisitorConnection(stream, peer, context).run()
        if outcome is Outcome.ABORT:
            raw.reset()
        else:
            await stream.aclose()
    except STREAM_LOST as error:
        context.log.debug("visitor_lost", error=type(error).__name__)
    except Exception:  # the one place for a connection: whatever it is, the others go on
        context.counters.internal_errors += 1
        context.log.exception("visitor_failed")
    finally:
        context.activity.visitors -= 1
        raw.close()


async def _shake_hands(raw: SocketStream, tls: ssl.SSLContext, context: ProxyContext) -> TlsStream:
    stream = TlsStream(raw, tls)
    failure: trio.BrokenResourceError | None = None
    with trio.fail_after(context.limits.tls_handshake_timeout):
        try:
            await stream.handshake()
        except trio.BrokenResourceError as error:
            failure = error
    if failure is not None:
        await lingering_close(raw, context.limits)
        raise failure
    return stream


def _peer_of(sock: socket.socket, context: ProxyContext, *, is_https: bool) -> Peer:
    if sock.family == socket.AF_UNIX:
        return Peer(address=None, is_https=is_https, is_trusted=True)
    try:
        address = sock.getpeername()[0].partition("%")[0]
    except OSError:  # reset before we looked
        raise trio.BrokenResourceError("the visitor is gone") from None
    return Peer(address=address, is_https=is_https, is_trusted=context.trusted.has(address))
