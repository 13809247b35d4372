"""Header fields: blocks of them read strictly, cookies cut out to the byte, what ends at a gateway.

Names keep the spelling that they came with, next to their lower-case form; values are bytes without the white
space around them (RFC 9110 section 5.5).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

import attrs

from conductor_trio.errors import RemoteProtocolError
from conductor_trio.http1.cookies import CookieRules
from conductor_trio.limits.constants import MAX_KNOWN_NAME, MAX_KNOWN_NAMES, MAX_LIST_COMMAS

_TCHAR = rb"[-!#$%&'*+.^_`|~0-9A-Za-z]"
_TOKEN = re.compile(_TCHAR + rb"+")

# One field line and its CRLF, in the strict grammar of RFC 9112 section 5: no white space before the colon,
# no folding, no control character but HTAB in the value, no bare CR or LF.
_FIELD_LINE = _TCHAR + rb"+:[\t\x20-\x7e\x80-\xff]*\r\n"
_FIELD_BLOCK = re.compile(rb"(?:" + _FIELD_LINE + rb")*")

#: A bare CR or LF, in text of which more may come.
BARE_LINE_END = re.compile(rb"(?<!\r)\n|\r[^\n]")
#: A bare CR alone, which also a lenient reader refuses.
BARE_CR = re.compile(rb"\r[^\n]")

#: Fields that concern one connection only (RFC 9110 section 7.6.1), and those that frame a message.
HOP_BY_HOP = frozenset(
    [
        b"connection",
        b"keep-alive",
        b"proxy-connection",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"te",
        b"transfer-encoding",
        b"upgrade",
    ]
)

#: What a visitor could use to pretend to be somebody else; set by the gateway itself.
FORWARDING = frozenset(
    [
        b"forwarded",
        b"x-forwarded-for",
        b"x-forwarded-host",
        b"x-forwarded-port",
        b"x-forwarded-proto",
        b"x-real-ip",
    ]
)

#: Of a request: what the gateway leaves out, or writes itself.
_NOT_FORWARDED = HOP_BY_HOP | FORWARDING | {b"content-length", b"host"}

#: What a request is called, also where an interface would take a field for that (see `dash`).
REQUEST_ID = frozenset([b"x-request-id", b"x_request_id", b"x-request_id", b"x_request-id"])

#: Of a request: what we understand ourselves, cookies apart.
UNDERSTOOD = frozenset(
    [
        b"authorization",
        b"connection",
        b"content-length",
        b"expect",
        b"host",
        b"service-worker",
        b"te",
        b"transfer-encoding",
        b"upgrade",
        *REQUEST_ID,
    ]
)

#: Fields without a meaning, or with a dangerous one, after the body (RFC 9110 section 6.5.1).
_NOT_IN_TRAILERS = (
    HOP_BY_HOP
    | FORWARDING
    | frozenset(
        [
            b"authorization",
            b"cache-control",
            b"clear-site-data",
            b"content-encoding",
            b"content-length",
            b"content-range",
            b"content-type",
            b"cookie",
            b"expect",
            b"host",
            b"max-forwards",
            b"nel",
            b"range",
            b"set-cookie",
            b"trailer",
            b"x-request-id",
        ]
    )
)


#: By which the sign-ons of the field name a visitor, and the frameworks behind them know one: CGI's REMOTE_USER,
#: Authelia, oauth2-proxy, Kubernetes, Grafana, Envoy, CAS.
_IDENTITY = frozenset(
    [
        b"cas-user",
        b"remote-email",
        b"remote-groups",
        b"remote-name",
        b"remote-user",
        b"x-auth-email",
        b"x-auth-groups",
        b"x-auth-user",
        b"x-auth-username",
        b"x-authenticated-user",
        b"x-forwarded-access-token",
        b"x-forwarded-client-cert",
        b"x-forwarded-email",
        b"x-forwarded-groups",
        b"x-forwarded-preferred-username",
        b"x-forwarded-user",
        b"x-remote-group",
        b"x-remote-groups",
        b"x-remote-user",
        b"x-webauth-email",
        b"x-webauth-groups",
        b"x-webauth-name",
        b"x-webauth-user",
    ]
)
#: And how the names of mod_auth_openidc, of Shibboleth, of nginx with oauth2-proxy, of authentik and of Kubernetes
#: begin.
_IDENTITY_PREFIXES = (b"oidc-", b"shib-", b"x-auth-request-", b"x-authentik-", b"x-remote-extra-")


def dash(name: bytes) -> bytes:
    """Return one name for all that an interface takes for the same: to CGI and WSGI ``-`` and ``_`` are one."""
    return name.replace(b"_", b"-")


class FieldName(NamedTuple):
    """What a request's field is, by its name alone."""

    lower: bytes
    is_forwarded: bool  #: it goes on, unless Connection names it
    has_meaning: bool  #: to us; otherwise nothing more is to be asked
    is_identity: bool  #: by it a front proxy says who the visitor is
    is_hidden: bool  #: it says who the visitor is, and nobody is believed


@attrs.frozen(kw_only=True)
class FieldRules:
    """What goes on to no application: fields that say who a visitor is, and the cookies of a front proxy's own.

    Anybody can send such a field. `identity` are the names, in lower case, of those that a trusted front proxy
    sets itself whatever a visitor has sent: they count, and go on, in what comes from it.
    """

    identity: frozenset[bytes] = frozenset()
    cookies: CookieRules = attrs.field(factory=CookieRules)
    _dashed: frozenset[bytes] = attrs.field(init=False, eq=False, repr=False)
    _names: dict[bytes, FieldName] = attrs.field(factory=dict, init=False, eq=False, repr=False)

    @_dashed.default
    def _dash_identity(self) -> frozenset[bytes]:
        return frozenset(map(dash, self.identity))

    def name_visitor(self, lower: bytes) -> bool:
        """Whether a field says who the visitor is, also where an interface would take it for such a one."""
        dashed = dash(lower)
        return dashed in _IDENTITY or dashed.startswith(_IDENTITY_PREFIXES) or dashed in self._dashed

    def find_name(self, name: bytes) -> FieldName:
        """Return what a field of that name is; of so many that is known, since all requests have much the same."""
        found = self._names.get(name)
        if found is None:
            lower = name.lower()
            names_visitor, is_identity = self.name_visitor(lower), lower in self.identity
            found = FieldName(
                lower=lower,
                is_forwarded=not is_not_forwarded(lower),
                has_meaning=names_visitor or lower in UNDERSTOOD or lower == b"cookie",
                is_identity=names_visitor and is_identity,
                is_hidden=names_visitor and not is_identity,
            )
            if len(name) <= MAX_KNOWN_NAME:
                if len(self._names) >= MAX_KNOWN_NAMES:  # a stranger's: those that come always are soon back
                    self._names.clear()
                self._names[name] = found
        return found

    def passable_trailers(self, trailers: Fields) -> Fields:
        """Return the trailer fields of a request that may go on.

        None of those that say who the visitor is: a front proxy puts its own word into the head, and passes on
        what a visitor has sent after the body.
        """
        return tuple(field for field in passable_trailers(trailers) if not self.name_visitor(field.lower))


#: Of a gateway that knows of no front proxy.
NO_RULES = FieldRules()


@attrs.frozen
class Field:
    """One field: the name as it came, the name in lower case, the value."""

    name: bytes
    lower: bytes
    value: bytes


Fields = tuple[Field, ...]


def check_field_block(block: bytes, *, max_fields: int | None) -> None:
    """Check field lines, each ended by CRLF; raises `RemoteProtocolError` for anything that is not strict."""
    if block.count(b",") > MAX_LIST_COMMAS:
        raise RemoteProtocolError("fields with endless lists", status=431)
    if not _FIELD_BLOCK.fullmatch(block):
        raise RemoteProtocolError("malformed header field")
    if max_fields is not None and block.count(b"\r\n") > max_fields:
        raise RemoteProtocolError(f"more than {max_fields} header fields", status=431)


def parse_field_block(block: bytes, *, max_fields: int | None) -> Fields:
    """Read field lines, each ended by CRLF; raises `RemoteProtocolError` for anything that is not strict.

    None for `max_fields`: as many as come, in a block whose size is limited.
    """
    check_field_block(block, max_fields=max_fields)
    return tuple([_parse_line(line) for line in block.split(b"\r\n")[:-1]])


def _parse_line(line: bytes) -> Field:
    name, _, value = line.partition(b":")
    return Field(name, name.lower(), value.strip(b" \t"))


def format_fields(fields: Iterable[Field]) -> bytes:
    """Write field lines, each ended by CRLF."""
    return b"".join([b"%b: %b\r\n" % (field.name, field.value) for field in fields])


def is_token(text: bytes) -> bool:
    """Whether a text is a token (RFC 9110 section 5.6.2)."""
    return _TOKEN.fullmatch(text) is not None


def list_elements(values: Iterable[bytes]) -> list[bytes]:
    """Return the elements of a list-valued field, in lower case, empty ones left out (RFC 9110 section 5.6.1)."""
    return [element for value in values for part in value.split(b",") if (element := part.strip(b" \t").lower())]


def is_not_forwarded(lower: bytes) -> bool:
    """Whether a request's field never goes on as it came, also where an interface would take it for such a one."""
    return dash(lower) in _NOT_FORWARDED


def is_own_field(lower: bytes) -> bool:
    """Whether a request's field is one whose meaning is fixed: for messages, for cookies, for what we set."""
    return is_not_forwarded(lower) or dash(lower) in _NOT_IN_TRAILERS


def passable_trailers(trailers: Fields) -> Fields:
    """Return the trailer fields of a response that may go on."""
    return tuple(field for field in trailers if dash(field.lower) not in _NOT_IN_TRAILERS)
