"""Request heads: everything that routing, authorisation and forwarding need, read once.

They come from strangers. Fields must be in the strict grammar of `fields`, without what h11 lets pass: bare LF,
folded lines, control characters. Where there is framing, h11 judges it; a head without any, in that grammar, it
always takes, so that it is not asked, and a property test holds it to that.
"""

from __future__ import annotations

import functools
import re

import attrs
import h11

from conductor_trio.errors import RemoteProtocolError
from conductor_trio.http1.authority import Authority, parse_authority
from conductor_trio.http1.body import (
    CHUNKED_BODY,
    NO_BODY,
    Body,
    Framing,
    parse_content_length,
)
from conductor_trio.http1.cookies import cut_cookie
from conductor_trio.http1.fields import (
    Field,
    Fields,
    format_fields,
    is_not_forwarded,
    is_token,
    list_elements,
    parse_field_block,
)

#: Methods that do not ask for a change (RFC 9110 section 9.2.1).
SAFE_METHODS = frozenset([b"GET", b"HEAD", b"OPTIONS", b"TRACE"])

_ABSOLUTE_FORM = re.compile(rb"(?i:https?)://([^/?]*)(.*)")
_BEARER = re.compile(rb"(?i:bearer) +([-A-Za-z0-9._~+/]+=*)")
#: The same grammar as h11's, which reads the fields behind a neutral request line.
_REQUEST_LINE = re.compile(rb"([-!#$%&'*+.^_`|~0-9A-Za-z]+) ([\x21-\x7e]+) HTTP/([0-9])\.([0-9])\r\n")
_NEUTRAL_REQUEST_LINE = b"GET / HTTP/1.0\r\n"
_MAX_REMEMBERED = 4096  # bytes of fields
_CONTENT_LENGTH_LINES = re.compile(rb"\n(?i:content-length):[ \t]*([^\r\n]*?)[ \t]*(?=\r)")
_TRANSFER_CODING_LINES = re.compile(rb"\n(?i:transfer-encoding):([^\r\n]*)")

#: Upgrades that are not taken: h2c would carry requests past the gateway's eyes, and is obsolete (RFC 9113
#: section 3.1).
_REFUSED_UPGRADES = frozenset([b"h2c"])


@attrs.frozen(kw_only=True, eq=False)
class RequestFields:
    """What the fields of a request say, whatever its request line; the same fields are often the same object.

    `fields` are all as they came, except that Cookie fields have lost our cookie, whose values are in `tokens`, in
    order. `bearer` is the token of an ``Authorization: Bearer`` field. `end_to_end` are those that go on.
    """

    fields: Fields
    end_to_end: Fields
    forward_block: bytes
    host_value: bytes | None
    host: Authority | None
    body: Body
    connection_options: frozenset[bytes]
    upgrades: tuple[bytes, ...]
    expects_continue: bool
    expects_more: bool  #: something else, too, and we know of nothing
    accepts_trailers: bool
    tokens: tuple[bytes, ...]
    bearer: bytes | None
    origin: bytes | None
    accept: bytes


@attrs.frozen(kw_only=True)
class RequestHead:
    """One request, as far as it can be understood without its body.

    `target` is in origin-form (or ``*``). `upgrades` are the protocols asked for, in lower case; empty unless the
    request is fit for an upgrade.
    """

    method: bytes
    target: bytes
    is_http11: bool
    authority: Authority | None
    body: Body
    keep_alive: bool
    upgrades: tuple[bytes, ...]
    expects_continue: bool
    parsed: RequestFields

    @property
    def fields(self) -> Fields:
        """All fields as they came, without our cookie."""
        return self.parsed.fields

    @property
    def is_safe(self) -> bool:
        """Whether the method asks for no change."""
        return self.method in SAFE_METHODS

    @property
    def is_repeatable(self) -> bool:
        """Whether sending it twice does no harm: a safe method, no body, no upgrade."""
        return self.method in SAFE_METHODS and self.body.is_empty and not self.upgrades

    @property
    def size(self) -> int:
        """About how many bytes it takes."""
        return len(self.target) + sum(len(field.name) + len(field.value) for field in self.parsed.fields)

    def values(self, lower: bytes) -> list[bytes]:
        """Return the values of all fields of that name, in order."""
        return [field.value for field in self.parsed.fields if field.lower == lower]


def parse_request_head(head: bytes, *, max_fields: int) -> RequestHead:
    """Read a request head, its empty line included; raises `RemoteProtocolError` (RFC 9112 sections 2 to 6)."""
    line_end = head.index(b"\r\n") + 2
    line = _REQUEST_LINE.fullmatch(head, 0, line_end)
    if line is None:
        raise RemoteProtocolError("malformed request line")
    method, target, major, minor = line.groups()
    if major != b"1":
        raise RemoteProtocolError("HTTP version not supported", status=505)
    is_http11 = minor != b"0"
    block = head[line_end:]
    parse = _cached_parse_request_fields if len(block) <= _MAX_REMEMBERED else _parse_request_fields
    parsed = parse(block, max_fields)
    if is_http11 and parsed.host is None:
        raise RemoteProtocolError("exactly one Host is needed")
    target, authority = _parse_target(method, target, parsed.host)
    body = parsed.body
    if body is CHUNKED_BODY and not is_http11:
        raise RemoteProtocolError("Transfer-Encoding in HTTP/1.0")
    if parsed.expects_more and is_http11:
        raise RemoteProtocolError("unknown expectation", status=417)
    options = parsed.connection_options
    return RequestHead(
        method=method,
        target=target,
        is_http11=is_http11,
        authority=authority,
        body=body,
        keep_alive=b"close" not in options and (is_http11 or b"keep-alive" in options),
        upgrades=parsed.upgrades if is_http11 and body.is_empty else (),
        expects_continue=parsed.expects_continue and is_http11 and not body.is_empty,
        parsed=parsed,
    )


def _parse_request_fields(block: bytes, max_fields: int) -> RequestFields:
    """Read the fields of a request and the empty line after them, and draw from them what decisions need."""
    came = parse_field_block(block[:-2], max_fields=max_fields)
    fields, tokens, seen = _sort_fields(came)
    head = _NEUTRAL_REQUEST_LINE + block
    if b"transfer-encoding" in seen or b"content-length" in seen:
        _check_with_h11(head)
    hosts = seen.get(b"host", [])
    if len(hosts) > 1:
        raise RemoteProtocolError("exactly one Host is needed")
    if b"transfer-encoding" in seen and b"content-length" in seen:
        raise RemoteProtocolError("Content-Length together with Transfer-Encoding")
    expectations = list_elements(seen.get(b"expect", []))
    options = frozenset(list_elements(seen.get(b"connection", [])))
    end_to_end = tuple(f for f in fields if f.lower not in options and not is_not_forwarded(f.lower))
    authorization = seen.get(b"authorization", [])
    if len(authorization) > 1:  # one of them could be ours, and the others pass with it (RFC 9110 section 5.3)
        raise RemoteProtocolError("at most one Authorization is possible")
    bearer = _BEARER.fullmatch(authorization[0]) if authorization else None
    origins = seen.get(b"origin", [])
    return RequestFields(
        fields=tuple(fields),
        end_to_end=end_to_end,
        forward_block=format_fields(end_to_end),
        host_value=hosts[0] if hosts else None,
        host=parse_authority(hosts[0]) if hosts else None,
        body=_request_body(head, seen),
        connection_options=options,
        upgrades=_upgrades(seen, options),
        expects_continue=b"100-continue" in expectations,
        expects_more=any(expectation != b"100-continue" for expectation in expectations),
        accepts_trailers=b"trailers" in list_elements(seen.get(b"te", [])),
        tokens=tuple(tokens),
        bearer=bearer[1] if bearer else None,
        # Several Origin fields are nobody's honest request; joined they match no host.
        origin=b", ".join(origins) if origins else None,
        accept=b",".join(seen.get(b"accept", [])).lower(),
    )


def _sort_fields(came: Fields) -> tuple[list[Field], list[bytes], dict[bytes, list[bytes]]]:
    """Return the fields without our cookie, that cookie's values, and the values of fields in `_UNDERSTOOD`."""
    fields: list[Field] = []
    tokens: list[bytes] = []
    seen: dict[bytes, list[bytes]] = {}
    for field in came:
        if field.lower == b"cookie":
            value, found = cut_cookie(field.value)
            if found:
                tokens += found
                if not value:
                    continue
                field = Field(field.name, field.lower, value)
        elif field.lower in _UNDERSTOOD:
            seen.setdefault(field.lower, []).append(field.value)
        fields.append(field)
    return fields, tokens, seen


#: The same, for fields that came before: a browser repeats its fields to the byte from request to request. It is a
#: pure function, so what is remembered cannot differ from what would be read; measured, it saves 14 µs of an
#: exchange's 75. The memory is bounded by `_MAX_REMEMBERED`.
_cached_parse_request_fields = functools.lru_cache(maxsize=512)(_parse_request_fields)


def _check_with_h11(head: bytes) -> None:
    """Raise `RemoteProtocolError` for what h11 does not take, among it any transfer coding but one chunked."""
    connection = h11.Connection(h11.SERVER)
    connection.receive_data(head)
    try:
        event = connection.next_event()
    except h11.RemoteProtocolError as error:
        if error.error_status_hint == 501:
            raise _transfer_coding_error(head) from error
        raise RemoteProtocolError("malformed request head", status=error.error_status_hint) from error
    if not isinstance(event, h11.Request):
        raise RemoteProtocolError("malformed request head")


def _transfer_coding_error(head: bytes) -> RemoteProtocolError:
    """Return 501 for codings that we do not know, 400 for a misuse of chunked (RFC 9112 section 6.1)."""
    codings = list_elements(_TRANSFER_CODING_LINES.findall(head))
    if codings and all(is_token(coding) for coding in codings) and codings.count(b"chunked") <= 1:
        *others, last = codings
        if last == b"chunked" or b"chunked" not in others:
            return RemoteProtocolError("unknown transfer coding", status=501)
    return RemoteProtocolError("malformed Transfer-Encoding")


_UNDERSTOOD = frozenset(
    [
        b"accept",
        b"authorization",
        b"connection",
        b"content-length",
        b"expect",
        b"host",
        b"origin",
        b"te",
        b"transfer-encoding",
        b"upgrade",
    ]
)


def _parse_target(method: bytes, target: bytes, host: Authority | None) -> tuple[bytes, Authority | None]:
    """Return the target in origin-form or ``*``, and who it is addressed to (RFC 9112 section 3.2)."""
    if method == b"CONNECT":
        raise RemoteProtocolError("CONNECT is not for a gateway", status=405)
    if b"#" in target:
        raise RemoteProtocolError("a request target has no fragment")
    if target.startswith(b"/"):
        return target, host
    if target == b"*" and method == b"OPTIONS":
        return target, host
    absolute = _ABSOLUTE_FORM.fullmatch(target)
    if absolute is None:
        raise RemoteProtocolError("malformed request target")
    authority = parse_authority(absolute[1])
    if host is not None and not authority.agrees_with(host):
        raise RemoteProtocolError("the request target and Host name different hosts")
    rest = absolute[2]
    if not rest:
        return b"*" if method == b"OPTIONS" else b"/", authority
    return rest if rest.startswith(b"/") else b"/" + rest, authority


def _request_body(head: bytes, seen: dict[bytes, list[bytes]]) -> Body:
    """Return the body's framing (RFC 9112 section 6.3)."""
    if b"transfer-encoding" in seen:
        return CHUNKED_BODY  # h11 has taken nothing but one final chunked
    if b"content-length" not in seen:
        return NO_BODY
    # From the text, since h11 merges repeated ones that agree.
    length = parse_content_length(_CONTENT_LENGTH_LINES.findall(head))
    return NO_BODY if length is None else Body(Framing.LENGTH, length)


def _upgrades(seen: dict[bytes, list[bytes]], options: frozenset[bytes]) -> tuple[bytes, ...]:
    """Return the protocols that the fields ask to change to (RFC 9110 section 7.8)."""
    if b"upgrade" not in options:
        return ()
    protocols = tuple(list_elements(seen.get(b"upgrade", [])))
    return () if _REFUSED_UPGRADES.intersection(protocols) else protocols
