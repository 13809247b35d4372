"""A visitor, from the moment of being accepted to the last byte: who it is, TLS, its connection, its end."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable

import attrs
import trio

from conductor_trio.access.reasons import Refusal
from conductor_trio.http1.forwarded import Peer
from conductor_trio.limits.constants import HANDSHAKE_HELD
from conductor_trio.limits.linger import BRIEF_LINGER, LingerLimits
from conductor_trio.net.ending import end_gently
from conductor_trio.net.poller import PolledStream
from conductor_trio.net.stream import STREAM_LOST, SocketStream, Stream
from conductor_trio.net.tls import TlsStream
from conductor_trio.server.accounts.account import Account
from conductor_trio.server.accounts.fairness import Payer, open_payer
from conductor_trio.server.accounts.places import NoPlace, Place
from conductor_trio.server.proxy.answering import turn_away
from conductor_trio.server.proxy.connection import VisitorConnection
from conductor_trio.server.proxy.context import ProxyContext
from conductor_trio.server.proxy.exchange.exchange import Outcome

_REFUSALS = {
    NoPlace.FULL: Refusal.TOO_MANY_VISITORS,
    NoPlace.ADDRESS_FULL: Refusal.TOO_MANY_FROM_ADDRESS,
    NoPlace.BLOCKED: Refusal.NETWORK_BLOCKED,
}

#: Makes the connection of a visitor from its stream.
ConnectionMaker = Callable[[Stream, Peer, ProxyContext, Payer, Place | None], VisitorConnection]


@attrs.frozen(kw_only=True)
class Way:
    """How a visitor's connection comes to this process: perhaps by HTTPS to another of ours; and what it is.

    `note_end` hears how it is about to be ended, unless it is cancelled.
    """

    is_https: bool = False
    has_place: bool = False  #: there
    note_end: Callable[[Outcome], None] | None = None
    make_connection: ConnectionMaker = VisitorConnection


DIRECT = Way()


async def serve_visitor(
    sock: socket.socket, address: str, context: ProxyContext, tls: ssl.SSLContext | None, way: Way = DIRECT
) -> None:
    """Serve a connection that was just accepted, from that IP address ("" for a UNIX socket), to its end.

    Nothing that happens in it gets out. Here alone visitors' connections are ended: all arrives that was said.
    """
    # A handshake, which takes as long as several requests, waits for its turn.
    raw = PolledStream(sock, context.poller, send_timeout=context.limits.send_stall_timeout, is_fresh=tls is None)
    stream: Stream = raw
    connection: VisitorConnection | None = None
    limits: LingerLimits = context.limits
    place: Place | NoPlace | None = None
    account = context.ledger.proxies
    try:
        try:
            peer = _peer_of(address, context, is_https=way.is_https or tls is not None)
            payer = open_payer(account := _account_of(peer, context))
            place = await _take_place(peer, sock, context, way)
            if isinstance(place, NoPlace):
                limits = BRIEF_LINGER
                outcome = await _turn_away(raw, place, context, is_silent=tls is not None or account.is_over())
            else:
                if not peer.is_trusted and not await _wait_turn(raw, account):
                    return
                if tls is not None:
                    stream = TlsStream(raw, tls)
                    await _shake_hands(stream, context, account, place)
                connection = way.make_connection(stream, peer, context, payer, place)
                raw.on_held = connection.hold
                outcome = await connection.run()
                limits = BRIEF_LINGER if connection.gave_way else limits  # somebody has its place already
        except STREAM_LOST as error:
            context.log.debug("visitor_lost", error=type(error).__name__)
            outcome = Outcome.ABORT if isinstance(error, trio.TooSlowError) else Outcome.CLOSE
        except Exception:  # the one place for a connection: whatever it is, the others go on
            context.counters.internal_errors += 1
            context.log.exception("visitor_failed")
            outcome = _cut_outcome(connection)
        if way.note_end is not None:
            way.note_end(outcome)
        await _end(raw, stream, limits, outcome, connection)
    except BaseException:  # cancelled, by itself or as a group: the server ends
        await _end_soon(raw, stream, connection)  # noqa: ASYNC102 - it is shielded there
        raise
    finally:
        if connection is None or not connection.has_asked:
            account.note_wish()  # or else it was noted with what was asked
        raw.close()
        _leave(place, context, connection)


def _leave(place: Place | NoPlace | None, context: ProxyContext, connection: VisitorConnection | None) -> None:
    match place:
        case Place():
            context.places.leave(place, gave_way=connection is not None and connection.gave_way)
        case NoPlace():
            context.activity.turned_away -= 1
    if connection is not None:
        connection.let_go()


async def _wait_turn(raw: SocketStream, account: Account) -> bool:
    """Wait while a stranger is over the share of their account; False where they have gone without a word."""
    if not account.is_over():
        return True
    if raw.has_peer_ended() and not raw.has_unread():
        return False
    await account.queue_up()
    return True


async def _turn_away(raw: SocketStream, reason: NoPlace, context: ProxyContext, *, is_silent: bool) -> Outcome:
    """Tell a visitor that there is no place, unless that costs too much, as with a handshake of TLS.

    Those who are told take no place, or one who reads that slowly would have the next turned away. Of those who
    are many at once, most are told nothing.
    """
    activity = context.activity
    activity.turned_away += 1
    if reason is not NoPlace.BLOCKED:
        context.note_turned_away(reason)
    if activity.turned_away > context.limits.max_turned_away:
        context.counters.limited += 1
        return Outcome.ABORT
    if not is_silent:
        await turn_away(raw, _REFUSALS[reason], context)
    return Outcome.CLOSE


async def _take_place(peer: Peer, sock: socket.socket, context: ProxyContext, way: Way) -> Place | NoPlace:
    address, networks = None if peer.is_trusted else peer.address, context.orders.networks
    if networks and address is not None and networks.has(address):
        return NoPlace.BLOCKED
    if context.places.leases is not None and not way.has_place:
        await context.places.obtain(address)
    take = context.places.lend if way.has_place else context.places.take
    return take(address, sock.fileno())


def _account_of(peer: Peer, context: ProxyContext) -> Account:
    """Return whom a connection works for that has not said anything."""
    return context.ledger.proxies if peer.is_trusted else context.ledger.visitor(peer.address or "")


def _cut_outcome(connection: VisitorConnection | None) -> Outcome:
    return Outcome.CLOSE if connection is None else connection.cut_outcome


async def _end(
    raw: SocketStream,
    stream: Stream,
    limits: LingerLimits,
    outcome: Outcome,
    connection: VisitorConnection | None,
) -> None:
    if outcome is Outcome.ABORT:
        raw.reset()
    else:
        peer_waits = connection is not None and connection.is_between_requests
        send_eof_nowait = None if stream is raw else stream.send_eof_nowait
        await end_gently(raw, limits, send_eof_nowait=send_eof_nowait, peer_waits=peer_waits)


async def _end_soon(raw: SocketStream, stream: Stream, connection: VisitorConnection | None) -> None:
    with trio.move_on_after(2 * BRIEF_LINGER.linger_total_timeout, shield=True):
        await _end(raw, stream, BRIEF_LINGER, _cut_outcome(connection), connection)


async def _shake_hands(stream: TlsStream, context: ProxyContext, account: Account, place: Place) -> None:
    limits = context.limits
    with (
        trio.fail_after(limits.tls_handshake_timeout) as scope,
        place.shaking_hands(scope, limits.max_address_handshakes),
    ):
        holding = context.holdings.open(lambda: place.name, scope.cancel)
        holding.change(HANDSHAKE_HELD)
        try:
            await stream.handshake(account.wait_share)
        finally:
            holding.change(-HANDSHAKE_HELD)


def _peer_of(address: str, context: ProxyContext, *, is_https: bool) -> Peer:
    if not address:
        return Peer(address=None, is_https=is_https, is_trusted=True)
    address = address.partition("%")[0]
    return Peer(address=address, is_https=is_https, is_trusted=context.trusted.has(address))
