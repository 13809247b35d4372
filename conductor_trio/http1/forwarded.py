"""Who the visitor is, as far as we or a trusted proxy know: X-Forwarded-*, X-Real-IP and Forwarded (RFC 7239)."""

from __future__ import annotations

import attrs

from conductor_trio.http1.fields import (
    FORWARDING,
    Field,
    Fields,
    list_elements,
)
from conductor_trio.http1.request import RequestHead


@attrs.define
class ForwardingMemo:
    """What was written last for a peer, and for what: the requests of one connection mostly go to one host."""

    host: bytes = b""
    port: int = 0
    fields: bytes = b""


@attrs.frozen(kw_only=True)
class Peer:
    """Who stands at the other end of a visitor's connection.

    `address` is its IP address, None for a UNIX socket. A trusted peer is a front proxy, whose own forwarding
    fields are kept and added to. `is_https` tells whether this connection itself is TLS.
    """

    address: str | None
    is_https: bool
    is_trusted: bool
    memo: ForwardingMemo = attrs.field(factory=ForwardingMemo, eq=False, repr=False, init=False)

    def uses_https(self, head: RequestHead) -> bool:
        """Whether the visitor came by HTTPS, as far as we or a trusted proxy know."""
        if self.is_trusted and (schemes := head.values(b"x-forwarded-proto")):
            # The first is the visitor's own hop.
            return list_elements(schemes)[:1] == [b"https"]
        return self.is_https

    def visitor_address(self, head: RequestHead) -> str:
        """Return who the visitor is, for counting: its address, as far as we or a trusted proxy know."""
        return self.forwarded_address(head) or self.address or "unix"

    def forwarded_address(self, head: RequestHead) -> str | None:
        """Return the visitor's address as a trusted proxy tells it; None where it is not told."""
        if self.is_trusted and (addresses := list_elements(head.values(b"x-forwarded-for"))):
            # The last is what the trusted proxy saw; those before it are what it was told.
            return addresses[-1].decode("latin-1")
        return None


def own_forwarding(head: RequestHead, peer: Peer, host: bytes) -> bytes:
    """Write the fields that tell the application who asks, and for what (RFC 7239, and its forerunners)."""
    port, memo = _visitors_port(head, peer), peer.memo
    if memo.host == host and memo.port == port:
        return memo.fields
    address = (peer.address or "unknown").encode()
    node = b'"[%b]"' % address if b":" in address else address
    scheme = b"https" if peer.is_https else b"http"
    memo.host, memo.port = host, port
    memo.fields = (
        b"X-Forwarded-For: %b\r\nX-Forwarded-Host: %b\r\nX-Forwarded-Port: %d\r\nX-Forwarded-Proto: %b\r\n"
        b"X-Real-IP: %b\r\nForwarded: for=%b;host=%b;proto=%b\r\n"
        % (address, host, port, scheme, address, node, _forwarded_value(host), scheme)
    )
    return memo.fields


def _forwarded_value(host: bytes) -> bytes:
    """Return a host as it stands in Forwarded: quoted only where it must be (RFC 7239 section 4).

    Some applications, code-server for one, do not take the quotes off.
    """
    return b'"%b"' % host if b":" in host else host


def _visitors_port(head: RequestHead, peer: Peer) -> int:
    """Return the port that the visitor asked for: the one in Host, or the scheme's own."""
    port = head.authority.port if head.authority else None
    return port or (443 if peer.uses_https(head) else 80)


def trusted_forwarding(head: RequestHead, peer: Peer, host: bytes) -> Fields:
    """Return the same fields behind a trusted proxy: its own word stands, and the lists grow by what we saw."""
    received: dict[bytes, list[bytes]] = {}
    for field in head.fields:
        if field.lower in FORWARDING:
            received.setdefault(field.lower, []).append(field.value)
    scheme = b"https" if peer.is_https else b"http"
    ours = {
        b"X-Forwarded-Proto": scheme,
        b"X-Forwarded-Host": host,
        b"X-Forwarded-Port": b"%d" % _visitors_port(head, peer),
    }
    address = peer.address.encode() if peer.address else None
    if address:
        ours[b"X-Real-IP"] = address
    values = {name: b", ".join(received.get(name.lower(), [value])) for name, value in ours.items()}
    if b"X-Real-IP" not in values and b"x-real-ip" in received:
        values[b"X-Real-IP"] = received[b"x-real-ip"][0]
    chain = received.get(b"x-forwarded-for", [])
    if address or chain:
        values[b"X-Forwarded-For"] = b", ".join([*chain, address] if address else chain)
    hops = received.get(b"forwarded", [])
    if address:
        node = b'"[%b]"' % address if b":" in address else address
        hops = [*hops, b"for=%b;host=%b;proto=%b" % (node, _forwarded_value(host), scheme)]
    if hops:
        values[b"Forwarded"] = b", ".join(hops)
    return tuple(Field(name, name.lower(), value) for name, value in values.items())
