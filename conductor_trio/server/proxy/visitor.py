"""A visitor, from the moment of being accepted to the last byte: who it is, TLS, its connection, its end."""

from __future__ import annotations

import socket
import ssl

import trio

from conductor_trio.http1.forwarded import Peer
from conductor_trio.net.relay import STREAM_LOST
from conductor_trio.net.stream import SocketStream, Stream
from conductor_trio.net.tls import TlsStream
from conductor_trio.pages import answers
from conductor_trio.server.proxy.connection import VisitorConnection, lingering_close
from conductor_trio.server.proxy.context import Gateway
from conductor_trio.server.proxy.exchange import Outcome


async def serve_visitor(sock: socket.socket, gateway: Gateway, tls: ssl.SSLContext | None) -> None:
    """Serve a connection that was just accepted, to its end; nothing that happens in it gets out."""
    raw = SocketStream(sock, send_timeout=gateway.limits.send_stall_timeout)
    gateway.visitors += 1
    try:
        peer = _peer_of(sock, gateway, is_https=tls is not None)
        if gateway.visitors > gateway.limits.max_visitors:
            if tls is None:
                await _turn_away(raw, gateway)
            return
        stream = raw if tls is None else await _shake_hands(raw, tls, gateway)
        outcome = await VisitorConnection(stream, peer, gateway).run()
        if outcome is Outcome.ABORT:
            raw.reset()
        else:
            await stream.aclose()
    except STREAM_LOST as error:
        gateway.log.debug("visitor_lost", error=type(error).__name__)
    except Exception:  # the one place for a connection: whatever it is, the others go on
        gateway.counters.internalErrors += 1
        gateway.log.exception("visitor_failed")
    finally:
        gateway.visitors -= 1
        raw.close()


async def _shake_hands(raw: SocketStream, tls: ssl.SSLContext, gateway: Gateway) -> TlsStream:
    stream = TlsStream(raw, tls)
    failure: trio.BrokenResourceError | None = None
    with trio.fail_after(gateway.limits.tls_handshake_timeout):
        try:
            await stream.handshake()
        except trio.BrokenResourceError as error:
            failure = error
    if failure is not None:
        await lingering_close(raw, gateway.limits)
        raise failure
    return stream


def _peer_of(sock: socket.socket, gateway: Gateway, *, is_https: bool) -> Peer:
    if sock.family == socket.AF_UNIX:
        return Peer(address=None, is_https=is_https, is_trusted=True)
    try:
        address = sock.getpeername()[0].partition("%")[0]
    except OSError:  # reset before we looked
        raise trio.BrokenResourceError("the visitor is gone") from None
    return Peer(address=address, is_https=is_https, is_trusted=gateway.is_trusted(address))


async def _turn_away(stream: Stream, gateway: Gateway) -> None:
    answer = answers.broken(503, "The gateway has too many visitors at this moment.")
    gateway.counters.limited += 1
    gateway.counters.count_answer(answer.status)
    await stream.send_all(answers.format_answer(answer, None, keep_alive=False, date=gateway.date()))
