"""A request's head says what routing, authorisation and forwarding need, and repeats nothing of another's."""

from __future__ import annotations

import re

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conductor_trio.errors import RemoteProtocolError
from conductor_trio.http1.authority import Authority
from conductor_trio.http1.body import (
    CHUNKED_BODY,
    CLOSE_BODY,
    NO_BODY,
    Body,
    Framing,
)
from conductor_trio.http1.request import RequestHead
from conductor_trio.http1.response import ResponseHead, parse_response_head
from tests.support.heads import parse_request_head

HOST = b"Host: x.test\r\n"


def parse(fields: bytes = b"", line: bytes = b"GET / HTTP/1.1", host: bytes = HOST) -> RequestHead:
    return parse_request_head(line + b"\r\n" + host + fields + b"\r\n", max_fields=100)


def respond(fields: bytes = b"", line: bytes = b"HTTP/1.1 200 OK", method: bytes = b"GET") -> ResponseHead:
    return parse_response_head(line + b"\r\n" + fields + b"\r\n", method=method)


@pytest.mark.parametrize(
    ("line", "host", "target", "authority"),
    [
        (b"GET /a?b HTTP/1.1", b"X.test", b"/a?b", Authority(host="x.test", port=None)),
        (b"GET / HTTP/1.1", b"x.test.:81", b"/", Authority(host="x.test", port=81)),
        (b"GET http://x.test:81/a HTTP/1.1", b"x.test", b"/a", Authority(host="x.test", port=81)),
        (b"GET http://x.test HTTP/1.1", b"X.TEST:81", b"/", Authority(host="x.test", port=None)),
        (b"GET http://x.test?a=b HTTP/1.1", b"x.test", b"/?a=b", Authority(host="x.test", port=None)),
        (b"OPTIONS * HTTP/1.1", b"x.test", b"*", Authority(host="x.test", port=None)),
        (b"OPTIONS http://x.test HTTP/1.1", b"x.test", b"*", Authority(host="x.test", port=None)),
        (b"OPTIONS http://x.test/ HTTP/1.1", b"x.test", b"/", Authority(host="x.test", port=None)),
    ],
)
def test_who_is_addressed(line: bytes, host: bytes, target: bytes, authority: Authority) -> None:
    head = parse(line=line, host=b"Host: " + host + b"\r\n")
    assert (head.target, head.authority) == (target, authority)


@pytest.mark.parametrize(
    ("fields", "line", "keep_alive"),
    [
        (b"", b"GET / HTTP/1.1", True),
        (b"Connection: close\r\n", b"GET / HTTP/1.1", False),
        (b"Connection: x, CLOSE\r\n", b"GET / HTTP/1.1", False),
        (b"Connection: keep-alive\r\nConnection: close\r\n", b"GET / HTTP/1.1", False),
        (b"", b"GET / HTTP/1.0", False),
        (b"Connection: Keep-Alive\r\n", b"GET / HTTP/1.0", True),
        (b"Connection: keep-alive, close\r\n", b"GET / HTTP/1.0", False),
    ],
)
def test_whether_the_connection_stays(fields: bytes, line: bytes, keep_alive: bool) -> None:
    assert parse(fields, line).keep_alive is keep_alive
    assert respond(fields, line.replace(b"GET / ", b"") + b" 200 OK").keep_alive is keep_alive


@pytest.mark.parametrize(
    ("fields", "upgrades"),
    [
        (b"Connection: upgrade\r\nUpgrade: websocket\r\n", (b"websocket",)),
        (b"Connection: Upgrade\r\nUpgrade: WebSocket, foo/2\r\n", (b"websocket", b"foo/2")),
        (b"Upgrade: websocket\r\n", ()),
        (b"Connection: upgrade\r\n", ()),
        (b"Connection: upgrade\r\nUpgrade: h2c\r\n", ()),
        (b"Connection: upgrade\r\nUpgrade: websocket\r\nUpgrade: H2C\r\n", ()),
        (b"Connection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 1\r\n", ()),
        (b"Connection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 0\r\n", (b"websocket",)),
        (b"Connection: upgrade\r\nUpgrade: websocket\r\nTransfer-Encoding: chunked\r\n", ()),
    ],
)
def test_upgrades(fields: bytes, upgrades: tuple[bytes, ...]) -> None:
    assert parse(fields).upgrades == upgrades
    assert parse(fields.replace(b"Transfer-Encoding: chunked\r\n", b""), b"GET / HTTP/1.0").upgrades == ()


def test_credentials() -> None:
    head = parse(b"Cookie: a=b; authorization=1\r\ncookie: authorization=2\r\nAuthorization: Bearer t=\r\n")
    assert head.parsed.tokens == (b"1", b"2")
    assert head.parsed.bearer == b"t="
    assert head.values(b"cookie") == [b"a=b"]
    assert parse(b"Authorization: Basic YTpi\r\n").parsed.bearer is None
    with pytest.raises(RemoteProtocolError):  # one could be ours, and the other go on
        parse(b"Authorization: Bearer a\r\nAuthorization: Basic b\r\n")
    assert parse(b"Authorization: Bearer a b\r\n").parsed.bearer is None


@pytest.mark.parametrize(
    ("line", "fields", "is_safe", "is_repeatable"),
    [
        (b"GET / HTTP/1.1", b"", True, True),
        (b"HEAD / HTTP/1.1", b"Content-Length: 0\r\n", True, True),
        (b"GET / HTTP/1.1", b"Content-Length: 1\r\n", True, False),
        (b"GET / HTTP/1.1", b"Transfer-Encoding: chunked\r\n", True, False),
        (b"GET / HTTP/1.1", b"Connection: upgrade\r\nUpgrade: websocket\r\n", True, False),
        (b"POST / HTTP/1.1", b"", False, False),
        (b"DELETE / HTTP/1.1", b"", False, False),
        (b"get / HTTP/1.1", b"", False, False),
        (b"PROPFIND / HTTP/1.1", b"", False, False),
    ],
)
def test_what_may_be_sent_twice(line: bytes, fields: bytes, is_safe: bool, is_repeatable: bool) -> None:
    head = parse(fields, line)
    assert (head.is_safe, head.is_repeatable) == (is_safe, is_repeatable)


def test_expectations() -> None:
    assert parse(b"Expect: 100-Continue\r\nContent-Length: 1\r\n").expects_continue
    assert not parse(b"Expect: 100-continue\r\n").expects_continue
    assert not parse(b"Expect: 100-continue\r\nContent-Length: 1\r\n", b"POST / HTTP/1.0").expects_continue
    assert not parse(b"Expect: other\r\n", b"GET / HTTP/1.0").expects_continue
    with pytest.raises(RemoteProtocolError) as caught:
        parse(b"Expect: 100-continue, other\r\n")
    assert caught.value.status == 417


def test_what_the_fields_said_once_is_not_said_of_another_line() -> None:
    """The same fields behind other request lines; what was remembered of them must not carry a judgement over."""
    fields = b"Transfer-Encoding: chunked\r\nExpect: 100-continue\r\nConnection: upgrade\r\nUpgrade: websocket\r\n"
    for _ in range(2):
        assert parse(fields).body == CHUNKED_BODY
        with pytest.raises(RemoteProtocolError):
            parse(fields, b"GET / HTTP/1.0")
    for _ in range(2):
        with pytest.raises(RemoteProtocolError):
            parse(b"X: y\r\n", host=b"")
        assert parse(b"X: y\r\n", b"GET / HTTP/1.0", host=b"").authority is None
        with pytest.raises(RemoteProtocolError):
            parse(b"X: z\r\n", b"GET http://y.test/ HTTP/1.1")
        assert parse(b"X: z\r\n", b"GET http://x.test/ HTTP/1.1").target == b"/"
    assert parse(b"Expect: other\r\n", b"GET / HTTP/1.0").is_http11 is False
    with pytest.raises(RemoteProtocolError):
        parse(b"Expect: other\r\n")


def test_the_number_of_fields_is_judged_anew() -> None:
    head = b"GET / HTTP/1.1\r\nHost: x\r\nA: b\r\nC: d\r\n\r\n"
    assert parse_request_head(head, max_fields=3)
    with pytest.raises(RemoteProtocolError) as caught:
        parse_request_head(head, max_fields=2)
    assert caught.value.status == 431


@given(
    st.lists(
        st.sampled_from([b"A: 1\r\n", b"Cookie: authorization=%d\r\n" % 1, b"Connection: A\r\n", b"B: 2\r\n"])
    )
)
def test_a_head_is_read_alike_each_time(lines: list[bytes]) -> None:
    block = b"".join(lines)
    first = parse(block)
    parse(b"Other: field\r\n" + block)
    assert parse(block) == first


@pytest.mark.parametrize(
    ("line", "fields", "method", "body"),
    [
        (b"HTTP/1.1 200 OK", b"Content-Length: 5\r\n", b"GET", Body(Framing.LENGTH, 5)),
        (b"HTTP/1.1 200 OK", b"Transfer-Encoding: Chunked\r\n", b"GET", CHUNKED_BODY),
        (b"HTTP/1.1 200 OK", b"", b"GET", CLOSE_BODY),
        (b"HTTP/1.0 200 OK", b"", b"GET", CLOSE_BODY),
        (b"HTTP/1.1 200 OK", b"Content-Length: 5\r\n", b"HEAD", NO_BODY),
        (b"HTTP/1.1 200 OK", b"", b"HEAD", NO_BODY),
        (b"HTTP/1.1 204 OK", b"Content-Length: 5\r\n", b"GET", NO_BODY),
        (b"HTTP/1.1 304 OK", b"Transfer-Encoding: chunked\r\n", b"GET", NO_BODY),
        (b"HTTP/1.1 103 OK", b"", b"GET", NO_BODY),
        (b"HTTP/1.1 101 OK", b"", b"GET", NO_BODY),
        (b"HTTP/1.1 205 OK", b"Content-Length: 0\r\n", b"GET", Body(Framing.LENGTH, 0)),
    ],
)
def test_how_a_response_ends(line: bytes, fields: bytes, method: bytes, body: Body) -> None:
    assert respond(fields, line, method).body == body


def test_interim_responses() -> None:
    assert respond(line=b"HTTP/1.1 100 Continue").is_interim
    assert respond(line=b"HTTP/1.1 199 X").is_interim
    assert not respond(line=b"HTTP/1.1 101 Switching").is_interim
    assert not respond(line=b"HTTP/1.1 200 OK").is_interim


_NAMES = st.from_regex(rb"[-!#$%&'*+.^_`|~0-9A-Za-z]+", fullmatch=True).filter(
    lambda name: not re.fullmatch(rb"(?i)host|content-length|transfer-encoding|expect|authorization|cookie", name)
)
_VALUES = st.from_regex(rb"[\t\x20-\x7e\x80-\xff]*", fullmatch=True)


@given(st.lists(st.tuples(_NAMES, _VALUES), max_size=8))
def test_without_framing_h11_takes_what_we_take(fields: list[tuple[bytes, bytes]]) -> None:
    lines = b"".join(b"%b:%b\r\n" % field for field in fields)
    ours = parse(lines)
    connection = h11.Connection(h11.SERVER)
    connection.receive_data(b"GET / HTTP/1.1\r\n" + HOST + lines + b"\r\n")
    theirs = connection.next_event()
    assert isinstance(theirs, h11.Request)
    assert [(field.name, field.value) for field in ours.fields] == theirs.headers.raw_items()
    assert ours.body is NO_BODY
