"""Request heads: everything that routing, authorisation and forwarding need, from what h11 has read.

They come from strangers. h11 reads them (`request_parser`); what is ours only refuses more: the strict grammar of
`fields`, without the bare LF, folded lines and control characters that h11 lets pass; targets, Host, repeated or
contradicting lengths, versions and expectations (RFC 9112 sections 2 to 6).
"""

from __future__ import annotations

import re

import attrs

from conductor_trio.errors import RemoteProtocolError
from conductor_trio.http1.authority import Authority, parse_authority
from conductor_trio.http1.body import CHUNKED_BODY, Body
from conductor_trio.http1.fields import NO_RULES, FieldRules, Fields, check_field_block
from conductor_trio.http1.request_fields import FieldReading, RequestFields, read_request_fields
from conductor_trio.http1.request_parser import RequestParser

#: Methods that do not ask for a change (RFC 9110 section 9.2.1).
SAFE_METHODS = frozenset([b"GET", b"HEAD", b"OPTIONS", b"TRACE"])

_ABSOLUTE_FORM = re.compile(rb"(?i:https?)://([^/?]*)(.*)")
#: The same grammar as h11's.
_REQUEST_LINE = re.compile(rb"([-!#$%&'*+.^_`|~0-9A-Za-z]+) ([\x21-\x7e]+) HTTP/([0-9]\.[0-9])\r\n")


@attrs.define(kw_only=True)  # one a request, and frozen costs a call a field
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
        return len(self.target) + len(self.parsed.block)

    def values(self, lower: bytes) -> list[bytes]:
        """Return the values of all fields of that name, in order."""
        return self.parsed.values(lower)


def match_request_line(head: bytes) -> re.Match[bytes]:
    """Return the request line's parts: method, target and version; raises `RemoteProtocolError`."""
    line = _REQUEST_LINE.match(head)
    if line is None:
        raise RemoteProtocolError("malformed request line")
    if not line[3].startswith(b"1."):
        raise RemoteProtocolError("HTTP version not supported", status=505)
    return line


def read_request_head(
    head: bytes,
    block: bytes,
    parser: RequestParser,
    *,
    max_fields: int,
    rules: FieldRules = NO_RULES,
    remembered: FieldReading | None = None,
    digest: bytes | None = None,
) -> RequestHead:
    """Have h11 read a whole head, of which it may have got a part; raises `RemoteProtocolError`.

    `block` are the fields and the empty line after them, `remembered` what h11 has read in the same before, and
    `digest` the key of a memory for it.
    """
    if remembered is None:
        check_field_block(block[:-2], max_fields=max_fields)
    request = parser.receive_whole(head)
    reading = remembered or read_request_fields(block, request.headers.raw_items(), rules)
    fields = RequestFields(block=block, reading=reading, is_remembered=remembered is not None, digest=digest)
    return make_request_head(request.method, request.target, request.http_version, fields)


def make_request_head(method: bytes, target: bytes, version: bytes, fields: RequestFields) -> RequestHead:
    """Put a request line and the fields after it together; raises where they do not go together."""
    reading = fields.reading
    is_http11 = version != b"1.0"
    if is_http11 and reading.host is None:
        raise RemoteProtocolError("exactly one Host is needed")
    target, authority = _parse_target(method, target, reading.host)
    body = reading.body
    if body is CHUNKED_BODY and not is_http11:
        raise RemoteProtocolError("Transfer-Encoding in HTTP/1.0")
    if reading.expects_more and is_http11:
        raise RemoteProtocolError("unknown expectation", status=417)
    options = reading.connection_options
    return RequestHead(
        method=method,
        target=target,
        is_http11=is_http11,
        authority=authority,
        body=body,
        keep_alive=b"close" not in options and (is_http11 or b"keep-alive" in options),
        upgrades=reading.upgrades if is_http11 and body.is_empty else (),
        expects_continue=reading.expects_continue and is_http11 and not body.is_empty,
        parsed=fields,
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
