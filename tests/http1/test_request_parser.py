"""What the gateway understands of a request is what h11 reads in the same bytes, or the request is refused."""

from __future__ import annotations

import re

import attrs
import h11
import pytest
from hypothesis import event as note
from hypothesis import example, given
from hypothesis import strategies as st

from conductor_trio.errors import RemoteProtocolError
from conductor_trio.http1.body import EndOfMessage, Framing
from conductor_trio.http1.memory import HeadMemory, RouteMemory
from conductor_trio.http1.reader import RequestReader
from conductor_trio.http1.request import RequestHead
from conductor_trio.http1.request_parser import RequestParser
from conductor_trio.limits.server import ServerLimits
from tests.support.fuzzing import NASTY_REQUEST_LINES
from tests.support.messages import requests, spoil, spoilings
from tests.support.oracles import Reading, cut_by_scanning, read_requests
from tests.support.strategies import cut, cuts

LIMITS = ServerLimits(max_remembered=8, max_remembered_per_user=5)


@attrs.define
class Understood:
    """One request as the gateway understood it."""

    head: RequestHead
    body: bytes = b""
    is_complete: bool = False


def understand(reader: RequestReader, pieces: list[bytes], route: RouteMemory) -> list[Understood]:
    """Return the requests up to one that is refused, and have each remembered as soon as its head has come."""
    understood: list[Understood] = []
    try:
        for piece in pieces:
            reader.receive_data(piece)
            while (event := reader.next_event()) is not None:
                match event:
                    case RequestHead():
                        route.remember_request(event)
                        understood.append(Understood(event))
                    case bytes():
                        understood[-1].body += event
                    case EndOfMessage():
                        understood[-1].is_complete = True
    except RemoteProtocolError:
        pass
    return understood


def without_our_cookie(fields: tuple[tuple[bytes, bytes], ...]) -> list[tuple[bytes, bytes]]:
    """Return fields as h11 has read them, but for what is cut out of Cookie fields, which h11 knows nothing of."""
    cut_out = []
    for name, value in fields:
        if name.lower() == b"cookie":
            kept, tokens = cut_by_scanning(value)
            if tokens and not kept:
                continue
            value = kept
        cut_out.append((name, value))
    return cut_out


def tokens_in(fields: tuple[tuple[bytes, bytes], ...]) -> list[bytes]:
    values = [value for name, value in fields if name.lower() == b"cookie"]
    return [token for value in values for token in cut_by_scanning(value)[1]]


def origin_form(target: bytes, method: bytes) -> bytes:
    """Return a target as it is understood (RFC 9112 sections 3.2.2 and 3.2.4)."""
    match = re.fullmatch(rb"(?i:https?)://[^/?]*(.*)", target)
    if match is None or match[1].startswith(b"/"):
        return target if match is None else match[1]
    return b"*" if method == b"OPTIONS" and not match[1] else b"/" + match[1]


def check(understood: Understood, reading: Reading) -> None:
    head, parsed = understood.head, understood.head.parsed
    assert isinstance(reading.start, tuple) and reading.is_sure
    method, target = reading.start
    assert (head.method, head.target) == (method, origin_form(target, method))
    assert reading.version in (b"1.0", b"1.1") or head.is_http11
    assert head.is_http11 is (reading.version != b"1.0")
    # h11 writes transfer codings in lower case, which are the only values in which that means nothing.
    ours = [
        (field.name, field.value.lower() if field.lower == b"transfer-encoding" else field.value)
        for field in head.fields
    ]
    assert ours == without_our_cookie(reading.fields)
    assert [field.lower for field in head.fields] == [name.lower() for name, _ in ours]
    assert list(parsed.tokens) == tokens_in(reading.fields)
    by_name: dict[bytes, list[bytes]] = {}
    for name, value in reading.fields:
        by_name.setdefault(name.lower(), []).append(value)
    assert ([parsed.host_value] if parsed.host_value is not None else []) == by_name.get(b"host", [])
    assert head.values(b"accept") == by_name.get(b"accept", [])
    assert parsed.origin == (b", ".join(by_name[b"origin"]) if b"origin" in by_name else None)
    assert parsed.bearer is None or re.fullmatch(rb"(?i:bearer) +(.*)", by_name[b"authorization"][0])
    if b"transfer-encoding" in by_name:
        assert head.body.framing is Framing.CHUNKED
    elif b"content-length" in by_name:
        assert head.body.length == int(by_name[b"content-length"][0])
    else:
        assert head.body.framing is Framing.NONE
    assert parsed.forward_block == b"".join(b"%b: %b\r\n" % (f.name, f.value) for f in parsed.end_to_end)
    assert set(parsed.end_to_end) <= set(head.fields)
    assert reading.body.startswith(understood.body)
    if understood.is_complete and reading.is_complete:
        assert understood.body == reading.body


COOKIE_LINES = [
    b"",
    b"Cookie: authorization=%d\r\n",
    b"cookie:a=b;authorization=%d ; c=d\r\n",
    b"Cookie: a=%d\r\n",
]


@st.composite
def conversations(draw: st.DrawFn) -> bytes:
    """Several requests, among which blocks of fields come again, some with another cookie, some spoilt."""
    templates = draw(st.lists(requests(), min_size=1, max_size=2))
    templates = [one.replace(b"Cookie: authorization=x\r\n", b"") for one in templates]
    data = b""
    for _ in range(draw(st.integers(1, 5))):
        cookie = draw(st.sampled_from(COOKIE_LINES)).replace(b"%d", b"%d" % draw(st.integers(1, 2)))
        message = draw(st.sampled_from(templates)).replace(b"Host: x.test\r\n", b"Host: x.test\r\n" + cookie)
        match draw(st.sampled_from(["whole"] * 4 + ["spoilt", "nasty"])):
            case "spoilt":
                message = spoil(message, draw(spoilings))
            case "nasty":
                lines = message.splitlines(keepends=True)
                lines.insert(draw(st.integers(0, len(lines))), draw(st.sampled_from(NASTY_REQUEST_LINES)))
                message = b"".join(lines)
        data += message
    return data


noise = st.one_of(
    st.binary(max_size=120),
    st.text("GET /HP1.0x:\r\n \t\x00=;", max_size=80).map(str.encode),
    st.lists(
        st.sampled_from(
            [b"GET / HTTP/1.1\r\n", b"GET / HTTP/1.0\r\n", b"Host: x\r\n", b"\r\n", *NASTY_REQUEST_LINES]
        ),
        max_size=10,
    ).map(b"".join),
)


@given(st.one_of(conversations(), conversations(), noise), cuts)
@example(b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx", [])
@example(b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1, 1\r\n\r\nx", [])
@example(b"GET / HTTP/1.1\r\nHost: x\r\nA: b\n\r\n", [])
def test_what_is_understood_is_what_h11_reads(data: bytes, sizes: list[int]) -> None:
    """However it is cut, on one connection after another, and before and after the route is closed."""
    readings = read_requests(data)
    memory = HeadMemory(b"0123456789abcdef", LIMITS)
    route = memory.open_route()
    first: list[RequestHead] = []
    for number, pieces in enumerate(([data], cut(data, sizes), cut(data, [1] * len(data)), [data], [data])):
        if number == 4:
            route.close()
        understood = understand(RequestReader(LIMITS, memory), [piece for piece in pieces if piece], route)
        assert len(understood) <= len(readings)
        for one, reading in zip(understood, readings, strict=False):
            check(one, reading)
        heads = [one.head for one in understood]
        first = first or heads
        assert heads == first
        note(f"understood {min(3, len(understood))}")
        note(f"remembered {min(3, sum(one.head.parsed.is_remembered for one in understood))}")


# What h11 says to a head, in our words.


def parse(*parts: bytes) -> h11.Request:
    parser = RequestParser(1 << 16)
    *incomplete, head = parts
    for part in incomplete:
        parser.receive_part(part)
    return parser.receive_whole(head)


def test_a_head_in_parts_is_read_once_it_is_whole() -> None:
    whole = b"GET /a HTTP/1.1\r\nHost: x\r\nA: b\r\n\r\n"
    for size in range(1, len(whole)):
        request = parse(whole[:size], whole[:size], whole)
        assert (request.method, request.target, request.http_version) == (b"GET", b"/a", b"1.1")
        assert request.headers.raw_items() == [(b"Host", b"x"), (b"A", b"b")]


@pytest.mark.parametrize(
    ("codings", "status"),
    [
        (b"Transfer-Encoding: gzip\r\n", 501),
        (b"Transfer-Encoding: gzip, chunked\r\n", 501),
        (b"Transfer-Encoding: gzip\r\ntransfer-encoding: chunked\r\n", 501),
        (b"Transfer-Encoding: chunked, gzip\r\n", 400),
        (b"Transfer-Encoding: chunked, chunked\r\n", 400),
        (b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", 400),
        (b"Transfer-Encoding: \r\n", 400),
        (b"Transfer-Encoding: g zip\r\n", 400),
    ],
)
def test_transfer_codings_that_h11_does_not_know(codings: bytes, status: int) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        parse(b"POST / HTTP/1.1\r\nHost: x\r\n" + codings + b"\r\n")
    assert caught.value.status == status


@pytest.mark.parametrize(
    "head", [b"GET / HTTP/1.1\r\nA: b\r\n\r\n", b"G(T / HTTP/1.0\r\n\r\n", b"GET / HTTP/1.0\r\n"]
)
def test_what_h11_does_not_take_is_malformed(head: bytes) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        parse(head)
    assert caught.value.status == 400


def test_an_end_that_only_h11_sees_is_malformed() -> None:
    with pytest.raises(RemoteProtocolError):
        RequestParser(1 << 16).receive_part(b"GET / HTTP/1.0\n\n")
