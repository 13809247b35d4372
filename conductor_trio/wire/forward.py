"""Heads written anew for the next hop, from what was parsed: nothing of the bytes that came goes on unseen."""

from __future__ import annotations

import attrs

from conductor_trio.errors import LocalProtocolError
from conductor_trio.wire.body import Framing
from conductor_trio.wire.fields import (
    FORWARDING,
    Field,
    Fields,
    format_fields,
    list_elements,
)
from conductor_trio.wire.head import RequestHead
from conductor_trio.wire.response import ResponseHead


@attrs.frozen(kw_only=True)
class Peer:
    """Who stands at the other end of a visitor's connection.

    `address` is its IP address, None for a UNIX socket. A trusted peer is a front proxy, whose own forwarding
    fields are kept and added to. `is_https` tells whether this connection itself is TLS.
    """

    address: str | None
    is_https: bool
    is_trusted: bool

    def uses_https(self, head: RequestHead) -> bool:
        """Whether the visitor came by HTTPS, as far as we or a trusted proxy know."""
        if self.is_trusted and (told := head.values(b"x-forwarded-proto")):
            # The first is the visitor's own hop.
            return list_elements(told)[:1] == [b"https"]
        return self.is_https

    def visitor_address(self, head: RequestHead) -> str:
        """Return who the visitor is, for counting: its address, as far as we or a trusted proxy know."""
        if self.is_trusted and (told := list_elements(head.values(b"x-forwarded-for"))):
            # The last is what the trusted proxy saw; those before it are what it was told.
            return told[-1].decode("latin-1")
        return self.address or "unix"


def format_request_head(head: RequestHead, peer: Peer, *, drop_authorization: bool) -> bytes:
    """Write a request's head for the application.

    Goes on: what is end-to-end. Ends here: hop-by-hop fields, what Connection names, forwarding fields of a peer
    that is not trusted, and with `drop_authorization` the field that authorised the request. Set by us: Host, the
    framing, the forwarding fields.
    """
    told = head.told
    block = told.end_to_end_block
    if drop_authorization:
        block = format_fields(field for field in told.end_to_end if field.lower != b"authorization")
    host = _host_value(head)
    return b"".join(
        [
            b"%b %b HTTP/1.1\r\nHost: %b\r\n" % (head.method, head.target, host),
            block,
            _request_framing(head),
            _connection_fields(head) if head.upgrades or told.accepts_trailers else b"",
            format_fields(_trusted_forwarding(head, peer, host))
            if peer.is_trusted
            else _own_forwarding(head, peer, host),
            b"\r\n",
        ]
    )


def _host_value(head: RequestHead) -> bytes:
    """Return the Host to send: the visitor's own spelling, or the target's authority where that decides."""
    if head.told.host_value is not None:
        return head.told.host_value
    if head.authority is None:
        raise LocalProtocolError("a request without a host was not answered by ourselves")
    port = head.authority.port
    return (head.authority.host if port is None else f"{head.authority.host}:{port}").encode()


def _request_framing(head: RequestHead) -> bytes:
    match head.body.framing:
        case Framing.CHUNKED:
            return b"Transfer-Encoding: chunked\r\n"
        case Framing.LENGTH:
            return b"Content-Length: %d\r\n" % head.body.length
        case _:
            return b""


def _connection_fields(head: RequestHead) -> bytes:
    fields, options = b"", []
    if head.upgrades:
        options.append(b"Upgrade")
        fields += b"Upgrade: %b\r\n" % b", ".join(head.values(b"upgrade"))
    if head.told.accepts_trailers:
        options.append(b"TE")
        fields += b"TE: trailers\r\n"
    return b"Connection: %b\r\n%b" % (b", ".join(options), fields)


def _own_forwarding(head: RequestHead, peer: Peer, host: bytes) -> bytes:
    """Write the fields that tell the application who asks, and for what (RFC 7239, and its forerunners)."""
    address = (peer.address or "unknown").encode()
    node = b'"[%b]"' % address if b":" in address else address
    scheme = b"https" if peer.is_https else b"http"
    return (
        b"X-Forwarded-For: %b\r\nX-Forwarded-Host: %b\r\nX-Forwarded-Port: %d\r\nX-Forwarded-Proto: %b\r\n"
        b"X-Real-IP: %b\r\nForwarded: for=%b;host=%b;proto=%b\r\n"
        % (address, host, _visitors_port(head, peer), scheme, address, node, _forwarded_value(host), scheme)
    )


def _forwarded_value(host: bytes) -> bytes:
    """Return a host as it stands in Forwarded: quoted only where it must be (RFC 7239 section 4).

    Some applications, code-server for one, do not take the quotes off.
    """
    return b'"%b"' % host if b":" in host else host


def _visitors_port(head: RequestHead, peer: Peer) -> int:
    """Return the port that the visitor asked for: the one in Host, or the scheme's own."""
    port = head.authority.port if head.authority else None
    return port or (443 if peer.uses_https(head) else 80)


def _trusted_forwarding(head: RequestHead, peer: Peer, host: bytes) -> Fields:
    """Return the same fields behind a trusted proxy: its own word stands, and the lists grow by what we saw."""
    told: dict[bytes, list[bytes]] = {}
    for field in head.fields:
        if field.lower in FORWARDING:
            told.setdefault(field.lower, []).append(field.value)
    scheme = b"https" if peer.is_https else b"http"
    ours = {
        b"X-Forwarded-Proto": scheme,
        b"X-Forwarded-Host": host,
        b"X-Forwarded-Port": b"%d" % _visitors_port(head, peer),
    }
    address = peer.address.encode() if peer.address else None
    if address:
        ours[b"X-Real-IP"] = address
    values = {name: b", ".join(told.get(name.lower(), [value])) for name, value in ours.items()}
    if b"X-Real-IP" not in values and b"x-real-ip" in told:
        values[b"X-Real-IP"] = told[b"x-real-ip"][0]
    chain = told.get(b"x-forwarded-for", [])
    if address or chain:
        values[b"X-Forwarded-For"] = b", ".join([*chain, address] if address else chain)
    hops = told.get(b"forwarded", [])
    if address:
        node = b'"[%b]"' % address if b":" in address else address
        hops = [*hops, b"for=%b;host=%b;proto=%b" % (node, _forwarded_value(host), scheme)]
    if hops:
        values[b"Forwarded"] = b", ".join(hops)
    return tuple(Field(name, name.lower(), value) for name, value in values.items())


@attrs.frozen(kw_only=True)
class Delivery:
    """How a response goes to its visitor: whether its body is chunked anew, and whether the connection stays.

    `shows_its_end` is False where the body ends with the connection, so that a cut needs a reset to be seen.
    """

    chunked: bool
    keep_alive: bool
    shows_its_end: bool = True


def plan_delivery(request: RequestHead, response: ResponseHead, *, may_keep: bool) -> Delivery:
    """Return how a final response is framed for the visitor (RFC 9112 sections 6 and 9.3).

    A body without a known length is chunked where the visitor understands that, and otherwise ended by closing.
    `may_keep` says whether the connection may stay as far as we are concerned.
    """
    keep_alive = may_keep and request.keep_alive
    if response.body.framing in (Framing.NONE, Framing.LENGTH):
        return Delivery(chunked=False, keep_alive=keep_alive)
    if request.is_http11:
        return Delivery(chunked=True, keep_alive=keep_alive)
    return Delivery(chunked=False, keep_alive=False, shows_its_end=False)


def format_response_head(
    request: RequestHead, response: ResponseHead, delivery: Delivery, *, date: bytes
) -> bytes:
    """Write a final response's head; a Date is added where it has none (RFC 9110 section 6.6.1)."""
    parts = [response.passed_back]
    if not response.has_date:
        parts.append(b"Date: %b\r\n" % date)
    if delivery.chunked:
        parts.append(b"Transfer-Encoding: chunked\r\n")
    elif response.body.framing is Framing.LENGTH:
        parts.append(b"Content-Length: %d\r\n" % response.body.length)
    elif response.status == 304 or (request.method == b"HEAD" and response.status != 204):
        # There it describes the body that is not sent (RFC 9110 section 8.6).
        parts += [b"Content-Length: %b\r\n" % f.value for f in response.fields if f.lower == b"content-length"]
    parts.append(format_connection(request, keep_alive=delivery.keep_alive))
    parts.append(b"\r\n")
    return b"".join(parts)


def format_connection(request: RequestHead | None, *, keep_alive: bool) -> bytes:
    """Write the Connection field that a response needs, if it needs one (RFC 9112 section 9.6)."""
    if not keep_alive:
        return b"Connection: close\r\n"
    if request is not None and not request.is_http11:
        return b"Connection: keep-alive\r\n"
    return b""


def format_interim_head(response: ResponseHead) -> bytes:
    """Write an interim response's head for the visitor, who must speak HTTP/1.1 (RFC 9110 section 15.2)."""
    return response.passed_back + b"\r\n"


def format_switch_head(response: ResponseHead) -> bytes:
    """Write the head of a 101 answer (RFC 9110 section 7.8)."""
    upgrades = b", ".join(field.value for field in response.fields if field.lower == b"upgrade")
    return b"%bConnection: Upgrade\r\nUpgrade: %b\r\n\r\n" % (response.passed_back, upgrades)


def switches_as_asked(request: RequestHead, response: ResponseHead) -> bool:
    """Whether a 101 answers an upgrade that the visitor asked for (RFC 9110 section 15.2.2)."""
    return (
        bool(response.upgrades)
        and b"upgrade" in response.connection_options
        and all(_protocol_asked_for(protocol, request.upgrades) for protocol in response.upgrades)
    )


def _protocol_asked_for(protocol: bytes, asked: tuple[bytes, ...]) -> bool:
    # An answer may name the version of a protocol that was asked for without one.
    return protocol in asked or protocol.partition(b"/")[0] in asked
