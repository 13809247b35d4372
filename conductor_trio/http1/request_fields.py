"""Request fields: where each one stands in its block, as h11 has read it, and what they say of the request.

A `FieldReading` holds positions in the place of values, so that it can be remembered without holding a cookie or a
token; `RequestFields` cuts the values out of the block that came.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import attrs

from conductor_trio.errors import RemoteProtocolError
from conductor_trio.http1.authority import Authority, parse_authority
from conductor_trio.http1.body import CHUNKED_BODY, NO_BODY, Body, Framing, parse_content_length
from conductor_trio.http1.fields import REQUEST_ID, UNDERSTOOD, Field, FieldName, FieldRules, Fields, list_elements

_BEARER = re.compile(rb"(?i:bearer) +([-A-Za-z0-9._~+/]+=*)")

#: Upgrades that are not taken: h2c would carry requests past the gateway's eyes, and is obsolete (RFC 9113
#: section 3.1).
_REFUSED_UPGRADES = frozenset([b"h2c"])

_NO_OPTIONS: frozenset[bytes] = frozenset()


#: Where one field stands in its block: what its name says of it, where its line begins, its value, and the next
#: line. Then the parts of its value, without white space around them, where the line is not what we should write;
#: several only of a Cookie field that has lost our cookie. A dozen for each block, in a fourth of a class's time.
FieldPlace = tuple[FieldName, int, int, int, tuple[slice, ...] | None]


@attrs.define(eq=False)
class Memo:
    """What the room above has concluded from a block of fields; it is remembered and forgotten with the reading.

    Like the reading it may hold no credentials.
    """

    conclusion: object = None


@attrs.define(kw_only=True)  # one a block, and frozen costs a call a field
class FieldReading:
    """What h11 has read in a block of fields, whatever the request line before them; holds no credentials.

    `places` are all fields in order, except that Cookie fields have lost our cookie. `identity` are those by which
    a front proxy says who the visitor is, and what else says so is left out (`FieldRules`). `tokens` is where our
    cookie's values stand, in order, and `bearer` where the token of an ``Authorization: Bearer`` field does.
    `forwarded` are the parts of which the block that goes on is made, from the block that came and from what
    stands between them.
    """

    places: tuple[FieldPlace, ...]
    identity: tuple[FieldPlace, ...]
    forwarded: tuple[slice | bytes, ...]
    tokens: tuple[slice, ...]
    bearer: slice | None
    host_value: slice | None
    host: Authority | None
    body: Body
    connection_options: frozenset[bytes]
    upgrades: tuple[bytes, ...]
    expects_continue: bool
    expects_more: bool  #: something else, too, and we know of nothing
    accepts_trailers: bool
    names_itself: bool  #: it has a request id
    is_for_worker: bool  #: it asks for the script of a service worker, as browsers say by a field of that name
    memo: Memo = attrs.field(factory=Memo, eq=False, repr=False)


@attrs.define(kw_only=True)  # as above
class RequestFields:
    """A block of fields as it came, and where in it what stands.

    `is_remembered` tells that a memory knew that, and `digest` is its key for a block that it may remember.
    """

    block: bytes = attrs.field(repr=False)
    reading: FieldReading
    is_remembered: bool = attrs.field(default=False, eq=False)
    digest: bytes | None = attrs.field(default=None, eq=False, repr=False)

    @property
    def fields(self) -> Fields:
        """All fields as they came, except that Cookie fields have lost our cookie."""
        return tuple([self._cut_field(place) for place in self.reading.places])

    @property
    def end_to_end(self) -> Fields:
        """The fields that go on."""
        options = self.reading.connection_options
        return tuple([self._cut_field(place) for place in self.reading.places if _goes_on(place, options)])

    @property
    def identity(self) -> Fields:
        """The fields that say who the visitor is, if a trusted peer sent them."""
        options = self.reading.connection_options
        return tuple([self._cut_field(place) for place in self.reading.identity if place[0].lower not in options])

    @property
    def forward_block(self) -> bytes:
        """The fields that go on, written."""
        block = self.block
        return b"".join([part if isinstance(part, bytes) else block[part] for part in self.reading.forwarded])

    @property
    def host_value(self) -> bytes | None:
        """The Host field's value, as it came."""
        place = self.reading.host_value
        return None if place is None else self.block[place]

    @property
    def tokens(self) -> tuple[bytes, ...]:
        """The values of our cookie, in order."""
        return tuple([self.block[place] for place in self.reading.tokens])

    @property
    def bearer(self) -> bytes | None:
        """The token of an ``Authorization: Bearer`` field."""
        place = self.reading.bearer
        return None if place is None else self.block[place]

    @property
    def origin(self) -> bytes | None:
        """The Origin field's value; several are nobody's honest request, and joined they match no host."""
        return b", ".join(values) if (values := self.values(b"origin")) else None

    @property
    def accept(self) -> bytes:
        """The Accept fields' values in lower case."""
        return b",".join(self.values(b"accept")).lower()

    @property
    def accepts_trailers(self) -> bool:
        """Whether TE names trailers."""
        return self.reading.accepts_trailers

    @property
    def is_for_worker(self) -> bool:
        """Whether a browser asks for the script of a service worker (Service Workers section "Update")."""
        return self.reading.is_for_worker

    @property
    def names_itself(self) -> bool:
        """Whether there is a request id."""
        return self.reading.names_itself

    def values(self, lower: bytes) -> list[bytes]:
        """Return the values of all fields of that name, in order."""
        return [self._cut_value(place) for place in self.reading.places if place[0].lower == lower]

    def _cut_field(self, place: FieldPlace) -> Field:
        lower, start = place[0].lower, place[1]
        return Field(self.block[start : start + len(lower)], lower, self._cut_value(place))

    def _cut_value(self, place: FieldPlace) -> bytes:
        _, _, value_start, stop, parts = place
        if parts is None:
            return self.block[value_start : stop - 2]
        return b"".join([self.block[part] for part in parts])


def read_request_fields(block: bytes, items: Sequence[tuple[bytes, bytes]], rules: FieldRules) -> FieldReading:
    """Find what h11 has read, `raw_items()`, in the block that it came in, and draw from it what decisions need.

    `block` is in the strict grammar of `fields`, its empty line included. Raises `RemoteProtocolError` where h11
    says something else than what came, as one of several equal lengths, and where fields contradict each other.
    """
    places, identity, tokens, by_name = _locate(block, items, rules)
    if b"transfer-encoding" in by_name and b"content-length" in by_name:
        raise RemoteProtocolError("Content-Length together with Transfer-Encoding")
    values = {name: [block[place] for place in where] for name, where in by_name.items()}
    authorization = by_name.get(b"authorization", [])
    if len(authorization) > 1:  # one of them could be ours, and the others pass with it (RFC 9110 section 5.3)
        raise RemoteProtocolError("at most one Authorization is possible")
    bearer = _BEARER.fullmatch(block, authorization[0].start, authorization[0].stop) if authorization else None
    hosts = by_name.get(b"host", [])  # h11 takes at most one
    options = frozenset(list_elements(values[b"connection"])) if b"connection" in values else _NO_OPTIONS
    expectations = list_elements(values.get(b"expect", []))
    return FieldReading(
        places=tuple(places),
        identity=tuple(identity),
        forwarded=_plan_forward_block(block, places, options),
        tokens=tuple(tokens),
        bearer=slice(*bearer.span(1)) if bearer else None,
        host_value=hosts[0] if hosts else None,
        host=parse_authority(block[hosts[0]]) if hosts else None,
        body=_request_body(values),
        connection_options=options,
        upgrades=_upgrades(values, options),
        expects_continue=b"100-continue" in expectations,
        expects_more=any(expectation != b"100-continue" for expectation in expectations),
        accepts_trailers=b"trailers" in list_elements(values.get(b"te", [])),
        is_for_worker=b"service-worker" in values,
        names_itself=not REQUEST_ID.isdisjoint(by_name),
    )


def _locate(
    block: bytes, items: Sequence[tuple[bytes, bytes]], rules: FieldRules
) -> tuple[list[FieldPlace], list[FieldPlace], list[slice], dict[bytes, list[slice]]]:
    """Return where each field stands, without our cookie, but those of the visitor's identity, and where these do.

    Then where our cookie's values are, and those of the fields in `UNDERSTOOD`.
    """
    lines = block.split(b"\r\n")[:-2]
    if len(lines) != len(items):  # h11 makes one of several Content-Length that agree
        raise RemoteProtocolError("repeated Content-Length")
    places: list[FieldPlace] = []
    identity: list[FieldPlace] = []
    tokens: list[slice] = []
    by_name: dict[bytes, list[slice]] = {}
    find_name, start = rules.find_name, 0
    for line, (name, value) in zip(lines, items, strict=True):
        kind = find_name(name)
        stop = start + len(line) + 2
        parts: tuple[slice, ...] | None = None
        if line == name + b": " + value:  # in a third of the time of %b
            value_start = start + len(name) + 2
        else:
            value_start = start + _find_value(line, name, value)
            parts = (slice(value_start, value_start + len(value)),)
        if not kind.has_meaning:  # as of most
            places.append((kind, start, value_start, stop, parts))
        else:
            if kind.lower == b"cookie":
                kept, own = rules.cookies.split(value)
                tokens += [_shift(part, value_start) for part in own]
                if parts is not None or kept != [slice(0, len(value))]:
                    parts = tuple([_shift(part, value_start) for part in kept])
            elif kind.lower in UNDERSTOOD:
                by_name.setdefault(kind.lower, []).append(slice(value_start, value_start + len(value)))
            if parts != () and not kind.is_hidden:
                (identity if kind.is_identity else places).append((kind, start, value_start, stop, parts))
        start = stop
    return places, identity, tokens, by_name


def _find_value(line: bytes, name: bytes, value: bytes) -> int:
    """Return where a value begins in its line; raises where the line says something else.

    h11 makes lower case of a transfer coding, and one of a list of equal lengths.
    """
    came = line[len(name) + 1 :]
    text = came.strip(b" \t")
    is_same = text == value or (name.lower() == b"transfer-encoding" and text.lower() == value)
    if not (is_same and line.startswith(name + b":")):
        raise RemoteProtocolError("malformed header field")
    return len(line) - len(came.lstrip(b" \t"))


def _shift(part: slice, by: int) -> slice:
    return slice(part.start + by, part.stop + by)


def _goes_on(place: FieldPlace, options: frozenset[bytes]) -> bool:
    """Whether a field is end-to-end, and not one that we set ourselves."""
    return place[0].is_forwarded and place[0].lower not in options


def _plan_forward_block(
    block: bytes, places: Sequence[FieldPlace], options: frozenset[bytes]
) -> tuple[slice | bytes, ...]:
    """Return the parts of the block that goes on, neighbours as one: of most blocks they are three or four."""
    parts: list[slice | bytes] = []
    start = stop = 0  # of plain lines one after the other, which are most, and are no part as yet
    for kind, line_start, _, line_stop, value in places:
        if not kind.is_forwarded or kind.lower in options:
            continue
        if value is None:
            if line_start != stop:
                _add_part(parts, slice(start, stop))
                start = line_start
            stop = line_stop
            continue
        _add_part(parts, slice(start, stop))
        start = stop = 0
        name_end = line_start + len(kind.lower)
        before, after = slice(name_end, value[0].start), slice(value[-1].stop, value[-1].stop + 2)
        _add_part(parts, slice(line_start, name_end))
        _add_part(parts, before if block[before] == b": " else b": ")
        for part in value:
            _add_part(parts, part)
        _add_part(parts, after if block[after] == b"\r\n" else b"\r\n")
    _add_part(parts, slice(start, stop))
    return tuple(parts)


def _add_part(parts: list[slice | bytes], part: slice | bytes) -> None:
    last = parts[-1] if parts else None
    if isinstance(part, slice) and part.start == part.stop:
        return
    if isinstance(last, slice) and isinstance(part, slice) and last.stop == part.start:
        parts[-1] = slice(last.start, part.stop)
    else:
        parts.append(part)


def _request_body(values: dict[bytes, list[bytes]]) -> Body:
    """Return the body's framing (RFC 9112 section 6.3)."""
    if b"transfer-encoding" in values:
        return CHUNKED_BODY  # h11 takes nothing but one final chunked
    length = parse_content_length(values.get(b"content-length", []))
    return NO_BODY if length is None else Body(Framing.LENGTH, length)


def _upgrades(values: dict[bytes, list[bytes]], options: frozenset[bytes]) -> tuple[bytes, ...]:
    """Return the protocols that the fields ask to change to (RFC 9110 section 7.8)."""
    if b"upgrade" not in options:
        return ()
    protocols = tuple(list_elements(values.get(b"upgrade", [])))
    return () if _REFUSED_UPGRADES.intersection(protocols) else protocols
