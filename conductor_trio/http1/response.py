"""Response heads: what the way back to the visitor needs, read once.

A response comes from the route's own application and is not read by h11, which takes three times as long (`reader`
has the figures), but in the strict grammar of `fields`; a property test holds that to h11's reading.

What is not strict is read as nginx and HAProxy read it where its meaning is not in doubt, for to refuse it costs a
user the application, and it is written anew, strictly: what `lenient` repairs, up to a thousand fields, one
Content-Length that is repeated, `identity` as a transfer coding, which says nothing, and a Content-Length beside
the chunked coding, which holds (RFC 9112 section 6.3); nothing more is then read from that connection. In doubt
stay differing lengths, other codings, chunked twice, and chunked in HTTP/1.0.
"""

from __future__ import annotations

import re

import attrs

from conductor_trio.errors import RemoteProtocolError
from conductor_trio.http1.body import (
    CHUNKED_BODY,
    CLOSE_BODY,
    NO_BODY,
    Body,
    Framing,
    parse_content_length,
)
from conductor_trio.http1.cookies import keep_cookie_at_home
from conductor_trio.http1.fields import (
    HOP_BY_HOP,
    NO_RULES,
    Field,
    FieldRules,
    Fields,
    format_fields,
    list_elements,
    parse_field_block,
)
from conductor_trio.http1.lenient import repair_head
from conductor_trio.http1.site_data import keep_own_site_data
from conductor_trio.limits.constants import MAX_RESPONSE_FIELDS

_STATUS_LINE = re.compile(rb"HTTP/1\.([0-9]) ([1-9][0-9]{2})(?: ([\t\x20-\x7e\x80-\xff]*))?\r\n")

_NO_OPTIONS: frozenset[bytes] = frozenset()
_NOT_FORWARDED = HOP_BY_HOP | {b"content-length"}


@attrs.frozen(kw_only=True)
class ResponseHead:
    """One response, final or interim; `body` is what follows in answer to the request's method.

    `forwarded_head` is what goes on to the visitor as it came: the status line, as ours, and the end-to-end
    fields.
    """

    status: int
    reason: bytes
    is_http11: bool
    fields: Fields
    body: Body
    keep_alive: bool
    upgrades: tuple[bytes, ...]
    connection_options: frozenset[bytes]
    has_date: bool
    has_transport_security: bool
    forwarded_head: bytes
    #: What was written of it for visitors (`rewrite.format_response_head`).
    written: dict[tuple[bool, bool, bool], bytes] = attrs.field(factory=dict, eq=False, repr=False, init=False)

    @property
    def is_interim(self) -> bool:
        """Whether another response to the same request follows (RFC 9110 section 15.2)."""
        return self.status < 200 and self.status != 101


def parse_response_head(
    head: bytes, *, method: bytes, host: str = "", rules: FieldRules = NO_RULES
) -> ResponseHead:
    """Read a response head, its empty line included; raises `RemoteProtocolError` (RFC 9112 section 4).

    `host` is the name that was asked for: it and no other may be a cookie's domain.
    """
    if head.count(b"\n") > MAX_RESPONSE_FIELDS + 2:
        raise RemoteProtocolError(f"more than {MAX_RESPONSE_FIELDS} header fields")
    try:
        status_line, fields = _parse_strict_head(head)
    except RemoteProtocolError:
        status_line, fields = _parse_strict_head(repair_head(head))
    is_http11 = status_line[1] != b"0"
    status = int(status_line[2])
    reason = status_line[3] or b""
    by_name: dict[bytes, list[bytes]] = {}
    for field in fields:
        if field.lower in _UNDERSTOOD:
            by_name.setdefault(field.lower, []).append(field.value)
    options = frozenset(list_elements(by_name[b"connection"])) if b"connection" in by_name else _NO_OPTIONS
    lengths, is_chunked = by_name.get(b"content-length", []), _is_chunked(by_name, is_http11=is_http11)
    length = _parse_one_length(lengths)
    if lengths and (is_chunked or len(lengths) > 1 or b"," in lengths[0]):
        fields = _with_length(fields, None if is_chunked else length)
    return ResponseHead(
        status=status,
        reason=reason,
        is_http11=is_http11,
        fields=fields,
        body=_response_body(status, method, length, is_chunked=is_chunked),
        keep_alive=(
            b"close" not in options
            and (is_http11 or b"keep-alive" in options)
            and not (is_chunked and length is not None)
        ),
        upgrades=tuple(list_elements(by_name[b"upgrade"])) if b"upgrade" in by_name else (),
        connection_options=options,
        has_date=b"date" in by_name,
        has_transport_security=b"strict-transport-security" in by_name,
        forwarded_head=b"HTTP/1.1 %d %b\r\n" % (status, reason) + _end_to_end_block(fields, options, host, rules),
    )


def _parse_strict_head(head: bytes) -> tuple[re.Match[bytes], Fields]:
    status_line = _STATUS_LINE.match(head)
    if status_line is None:
        raise RemoteProtocolError("malformed status line")
    return status_line, parse_field_block(head[status_line.end() : -2], max_fields=None)


def _end_to_end_block(fields: Fields, options: frozenset[bytes], host: str, rules: FieldRules) -> bytes:
    return format_fields(
        kept
        for field in fields
        if field.lower not in _NOT_FORWARDED
        and field.lower not in options
        and (kept := _spare_neighbours(field, host, rules)) is not None
    )


def _spare_neighbours(field: Field, host: str, rules: FieldRules) -> Field | None:
    """Return a field without what reaches beyond the application's own pages, None where nothing is left."""
    if field.lower == b"set-cookie":
        if rules.cookies.forbid_setting(field.value):
            return None
        return Field(field.name, field.lower, keep_cookie_at_home(field.value, host.encode()))
    if field.lower == b"clear-site-data":
        value = keep_own_site_data(field.value)
        return Field(field.name, field.lower, value) if value else None
    return None if field.lower in _TELLTALES else field


#: Has browsers report every address of the host that they ask for, login links among them, to wherever it says,
#: for as long as it says (Network Error Logging section 4).
_TELLTALES = frozenset([b"nel"])

_UNDERSTOOD = frozenset(
    [
        b"connection",
        b"content-length",
        b"date",
        b"strict-transport-security",
        b"transfer-encoding",
        b"upgrade",
    ]
)


def _parse_one_length(values: list[bytes]) -> int | None:
    """Return the Content-Length, which may be repeated, in a list, too, as long as each is written the same."""
    if len(values) > 1 or (values and b"," in values[0]):
        lengths = {length.strip(b" \t") for value in values for length in value.split(b",")}
        if len(lengths) > 1:
            raise RemoteProtocolError("differing values of Content-Length")
        values = list(lengths)
    return parse_content_length(values)


def _with_length(fields: Fields, length: int | None) -> Fields:
    """Return fields with one Content-Length in place of the first, or with none."""
    kept: list[Field] = []
    for field in fields:
        if field.lower != b"content-length":
            kept.append(field)
        elif length is not None:
            kept.append(Field(field.name, field.lower, b"%d" % length))
            length = None
    return tuple(kept)


def _is_chunked(by_name: dict[bytes, list[bytes]], *, is_http11: bool) -> bool:
    """Whether the body is chunked; raises for codings that we do not know, or that are in doubt."""
    values = by_name.get(b"transfer-encoding")
    if values is None:
        return False
    codings = [coding.strip(b" \t").lower() for value in values for coding in value.split(b",")]
    is_chunked = codings[-1] == b"chunked"
    if any(coding != b"identity" for coding in (codings[:-1] if is_chunked else codings)):
        raise RemoteProtocolError("unknown or repeated transfer coding")
    if is_chunked and not is_http11:
        raise RemoteProtocolError("a chunked body in HTTP/1.0")
    return is_chunked


def _response_body(status: int, method: bytes, length: int | None, *, is_chunked: bool) -> Body:
    """Return the body's framing (RFC 9112 section 6.3)."""
    if method == b"HEAD" or status < 200 or status in (204, 304):
        return NO_BODY
    if is_chunked:
        return CHUNKED_BODY
    return CLOSE_BODY if length is None else Body(Framing.LENGTH, length)
