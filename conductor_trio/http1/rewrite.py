"""Heads written anew for the next hop, from what was parsed: nothing of the bytes that came goes on unseen."""

from __future__ import annotations

import attrs

from conductor_trio.errors import LocalProtocolError
from conductor_trio.http1.body import Framing
from conductor_trio.http1.fields import REQUEST_ID, format_fields
from conductor_trio.http1.forwarded import Peer, own_forwarding, trusted_forwarding
from conductor_trio.http1.request import RequestHead
from conductor_trio.http1.response import ResponseHead


def format_request_head(
    head: RequestHead, peer: Peer, *, drop_authorization: bool, request_id: bytes = b""
) -> bytes:
    """Write a request's head for the application.

    Goes on: what is end-to-end. Ends here: hop-by-hop fields, what Connection names, of a peer that is not trusted
    its forwarding fields and those that say who the visitor is, and with `drop_authorization` the field that
    authorised the request. Set by us: Host, the framing, the forwarding fields, and with `request_id` what we call
    the request, in the place of what its sender does.
    """
    parsed = head.parsed
    block = parsed.forward_block
    has_another_id = bool(request_id) and parsed.names_itself
    if drop_authorization or parsed.is_for_worker or has_another_id:
        dropped = _NOT_OF_WORKERS if parsed.is_for_worker else frozenset[bytes]()
        if drop_authorization:
            dropped |= {b"authorization"}
        if has_another_id:
            dropped |= REQUEST_ID
        block = format_fields(field for field in parsed.end_to_end if field.lower not in dropped)
    host = _host_value(head)
    return b"".join(
        [
            b"%b %b HTTP/1.1\r\nHost: %b\r\n" % (head.method, head.target, host),
            block,
            _request_framing(head),
            _connection_fields(head) if head.upgrades or parsed.accepts_trailers else b"",
            format_fields((*parsed.identity, *trusted_forwarding(head, peer, host)))
            if peer.is_trusted
            else own_forwarding(head, peer, host),
            b"X-Request-Id: %b\r\n\r\n" % request_id if request_id else b"\r\n",
        ]
    )


#: What could have an application answer with anything but the whole script of a service worker, as it is.
_NOT_OF_WORKERS = frozenset(
    [b"accept-encoding", b"if-match", b"if-modified-since", b"if-none-match", b"if-range", b"range"]
)


def _host_value(head: RequestHead) -> bytes:
    """Return the Host to send: the visitor's own spelling, or the target's authority where that decides."""
    if head.parsed.host_value is not None:
        return head.parsed.host_value
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
    if head.parsed.accepts_trailers:
        options.append(b"TE")
        fields += b"TE: trailers\r\n"
    return b"Connection: %b\r\n%b" % (b", ".join(options), fields)


@attrs.frozen(kw_only=True)
class ResponseFraming:
    """How a response goes to its visitor: whether its body is chunked anew, and whether the connection stays.

    `shows_its_end` is False where the body ends with the connection, so that a cut needs a reset to be seen.
    """

    chunked: bool
    keep_alive: bool
    shows_its_end: bool = True


_KNOWN_END = ResponseFraming(chunked=False, keep_alive=True)
_KNOWN_LAST_END = ResponseFraming(chunked=False, keep_alive=False)


def plan_response_framing(request: RequestHead, response: ResponseHead, *, may_keep: bool) -> ResponseFraming:
    """Return how a final response is framed for the visitor (RFC 9112 sections 6 and 9.3).

    A body without a known length is chunked where the visitor understands that, and otherwise ended by closing.
    `may_keep` says whether the connection may stay as far as we are concerned.
    """
    keeps = may_keep and request.keep_alive
    if response.body.framing in (Framing.NONE, Framing.LENGTH):
        return _KNOWN_END if keeps else _KNOWN_LAST_END
    if request.is_http11:
        return ResponseFraming(chunked=True, keep_alive=keeps)
    return ResponseFraming(chunked=False, keep_alive=False, shows_its_end=False)


def format_response_head(
    request: RequestHead,
    response: ResponseHead,
    framing: ResponseFraming,
    *,
    date: bytes,
    added: tuple[tuple[bytes, bytes], ...] = (),
) -> bytes:
    """Write a final response's head; a Date is added where it has none (RFC 9110 section 6.6.1), and `added`."""
    if added or not response.has_date:
        return _write_response_head(request, response, framing, date=date, added=added)
    key = (request.is_http11, framing.keep_alive, framing.chunked)
    written = response.written.get(key)
    if written is None:
        written = response.written[key] = _write_response_head(request, response, framing, date=date, added=())
    return written


def _write_response_head(
    request: RequestHead,
    response: ResponseHead,
    framing: ResponseFraming,
    *,
    date: bytes,
    added: tuple[tuple[bytes, bytes], ...],
) -> bytes:
    parts = [response.forwarded_head, *(b"%b: %b\r\n" % field for field in added)]
    if not response.has_date:
        parts.append(b"Date: %b\r\n" % date)
    if framing.chunked:
        parts.append(b"Transfer-Encoding: chunked\r\n")
    elif response.body.framing is Framing.LENGTH:
        parts.append(b"Content-Length: %d\r\n" % response.body.length)
    elif response.status == 304 or (request.method == b"HEAD" and response.status != 204):
        # There it describes the body that is not sent (RFC 9110 section 8.6).
        parts += [b"Content-Length: %b\r\n" % f.value for f in response.fields if f.lower == b"content-length"]
    parts.append(format_connection(request, keep_alive=framing.keep_alive))
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
    return response.forwarded_head + b"\r\n"


def format_switch_head(response: ResponseHead) -> bytes:
    """Write the head of a 101 answer (RFC 9110 section 7.8)."""
    upgrades = b", ".join(field.value for field in response.fields if field.lower == b"upgrade")
    return b"%bConnection: Upgrade\r\nUpgrade: %b\r\n\r\n" % (response.forwarded_head, upgrades)


def switches_as_asked(request: RequestHead, response: ResponseHead) -> bool:
    """Whether a 101 answers an upgrade that the visitor asked for (RFC 9110 section 15.2.2).

    It must name the protocol. That it lacks `Connection: Upgrade` leaves no doubt; the visitor gets that from us.
    """
    return bool(response.upgrades) and all(_is_among(protocol, request.upgrades) for protocol in response.upgrades)


def _is_among(protocol: bytes, requested: tuple[bytes, ...]) -> bool:
    # An answer may name the version of a protocol that was asked for without one.
    return protocol in requested or protocol.partition(b"/")[0] in requested
