"""A response's head says how its body ends and what goes on of it, and what is not strict is refused."""

from __future__ import annotations

import pytest

from conductor_trio.errors import RemoteProtocolError
from conductor_trio.http1.body import CHUNKED_BODY, CLOSE_BODY, Body, Framing
from conductor_trio.http1.response import ResponseHead, parse_response_head


def respond(fields: bytes = b"", line: bytes = b"HTTP/1.1 200 OK", method: bytes = b"GET") -> ResponseHead:
    return parse_response_head(line + b"\r\n" + fields + b"\r\n", method=method)


@pytest.mark.parametrize(
    ("line", "status", "reason"),
    [
        (b"HTTP/1.1 200 OK", 200, b"OK"),
        (b"HTTP/1.0 200 OK", 200, b"OK"),
        (b"HTTP/1.1 200 ", 200, b""),
        (b"HTTP/1.1 200", 200, b""),
        (b"HTTP/1.1 299 \xe9 fine\t!", 299, b"\xe9 fine\t!"),
    ],
)
def test_status_lines(line: bytes, status: int, reason: bytes) -> None:
    head = respond(line=line)
    assert (head.status, head.reason) == (status, reason)
    assert head.forwarded_head == b"HTTP/1.1 %d %b\r\n" % (status, reason)


@pytest.mark.parametrize(
    "line",
    [
        b"HTTP/1.1",
        b"HTTP/1.1 ",
        b"HTTP/1.1 20 OK",
        b"HTTP/1.1 2000 OK",
        b"HTTP/1.1 099 OK",
        b"HTTP/2.0 200 OK",
        b"http/1.1 200 OK",
        b" HTTP/1.1 200 OK",
        b"HTTP/1.1 200 O\x00K",
        b"HTTP/1.1 200 O\nK",
        b"ICY 200 OK",
    ],
)
def test_malformed_status_lines_are_refused(line: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        respond(line=line)


@pytest.mark.parametrize(
    ("line", "fields"),
    [
        (b"HTTP/1.1 200 OK", b"Content-Length: 1\r\nContent-Length: 2\r\n"),
        (b"HTTP/1.1 200 OK", b"Content-Length: -1\r\n"),
        (b"HTTP/1.1 200 OK", b"Content-Length: 1, 2\r\n"),
        (b"HTTP/1.1 200 OK", b"Content-Length: 1,\r\n"),
        (b"HTTP/1.1 200 OK", b"Content-Length: 1\x0b\r\n"),
        (b"HTTP/1.1 200 OK", b"Content-Length: 1\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n"),
        (b"HTTP/1.1 200 OK", b"Transfer-Encoding: \r\n"),
        (b"HTTP/1.1 200 OK", b"Transfer-Encoding: chunked, identity\r\n"),
        (b"HTTP/1.1 200 OK", b"Transfer-Encoding: gzip, chunked\r\n"),
        (b"HTTP/1.1 200 OK", b"Transfer-Encoding: gzip\r\n"),
        (b"HTTP/1.1 200 OK", b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
        (b"HTTP/1.0 200 OK", b"Transfer-Encoding: chunked\r\n"),
        (b"HTTP/1.1 304 OK", b"Content-Length: x\r\n"),  # where it does not apply, too
        (b"HTTP/1.1 200 OK", b"A : b\r\n"),
        (b"HTTP/1.1 200 OK", b" A: b\r\n"),
        (b"HTTP/1.1 200 OK", b"A\r\n : b\r\n"),
        (b"HTTP/1.1 200 OK", b"A\x0b: b\r\n"),
        (b"HTTP/1.1 200 OK", b"A: b\x00\r\n"),
        (b"HTTP/1.1 200 OK", b"A: b\rC: d\r\n"),
        (b"HTTP/1.1 200 OK", b"A: b\r\r\n"),
    ],
)
def test_framing_that_is_in_doubt_and_fields_that_are_not_strict_are_refused(line: bytes, fields: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        respond(fields, line)


@pytest.mark.parametrize(
    ("fields", "body"),
    [
        (b"Content-Length: 5\r\ncontent-length: 5\r\n", Body(Framing.LENGTH, 5)),
        (b"Content-Length: 5, 5\r\n", Body(Framing.LENGTH, 5)),
        (b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", CHUNKED_BODY),
        (b"Transfer-Encoding: identity\r\n", CLOSE_BODY),
        (b"Transfer-Encoding: Identity\r\nContent-Length: 5\r\n", Body(Framing.LENGTH, 5)),
        (b"Transfer-Encoding: identity, chunked\r\n", CHUNKED_BODY),
        (b"Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n", CHUNKED_BODY),
    ],
)
def test_framing_that_is_not_strict_and_yet_beyond_doubt(fields: bytes, body: Body) -> None:
    head = respond(fields)
    assert head.body == body
    assert head.forwarded_head == b"HTTP/1.1 200 OK\r\n"
    is_left_out = body != Body(Framing.LENGTH, 5)
    assert [f.value for f in head.fields if f.lower == b"content-length"] == [b"5"] * (not is_left_out)
    has_two_framings = b"Length" in fields and b"chunked" in fields
    assert head.keep_alive is not has_two_framings


@pytest.mark.parametrize(
    ("head", "passed"),
    [
        (b"HTTP/1.1 200 OK\nA: b\n\n", b"HTTP/1.1 200 OK\r\nA: b\r\n"),
        (b"HTTP/1.1 200 OK\nA: b\r\n\n", b"HTTP/1.1 200 OK\r\nA: b\r\n"),
        (b"HTTP/1.1 200 OK\r\nA: b\nC: d\r\n\r\n", b"HTTP/1.1 200 OK\r\nA: b\r\nC: d\r\n"),
        (b"HTTP/1.1 200\n\r\n", b"HTTP/1.1 200 \r\n"),
        (b"HTTP/1.1 200 O\x01K\r\n\r\n", b"HTTP/1.1 200 O K\r\n"),
        (b"HTTP/1.1 200 OK\r\nA: b\x0bc\x7f\r\n\r\n", b"HTTP/1.1 200 OK\r\nA: b c\r\n"),
        (b"HTTP/1.1 200 OK\r\nA: b\r\n\tc\n d\r\n\r\n", b"HTTP/1.1 200 OK\r\nA: b c d\r\n"),
        (b"HTTP/1.1 200 OK\nSet-Cookie: authorization\x01=x\nA: b\n\n", b"HTTP/1.1 200 OK\r\nA: b\r\n"),
        (b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 500 + b"\r\n", b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 500),
    ],
)
def test_a_head_that_is_not_strict_is_written_strictly(head: bytes, passed: bytes) -> None:
    assert parse_response_head(head, method=b"GET").forwarded_head == passed


@pytest.mark.parametrize(
    ("fields", "passed"),
    [
        (b"X-b: 1\r\nx-B:  2 \r\nX-Empty:\r\n", b"X-b: 1\r\nx-B: 2\r\nX-Empty: \r\n"),
        (b"Connection: X-Hop, close\r\nX-Hop: 1\r\nX-End: 2\r\n", b"X-End: 2\r\n"),
        (b"Keep-Alive: timeout=5\r\nUpgrade: h2c\r\n", b""),
        (b"Content-Length: 5\r\nETag: x\r\n", b"ETag: x\r\n"),
        (b"Transfer-Encoding: chunked\r\nDate: x\r\n", b"Date: x\r\n"),
        (
            b"Set-Cookie: a=b; Domain=apps.test; Path=/\r\nNEL: {}\r\nSet-Cookie: __Host-authorization=x\r\n",
            b"Set-Cookie: a=b; Path=/\r\n",
        ),
        (
            b'Clear-Site-Data: "cookies", "storage"\r\nClear-Site-Data: "cookies"\r\n',
            b'Clear-Site-Data: "storage"\r\n',
        ),
        (b"Set-Cookie: authorization=x\r\nSet-Cookie: a=b\r\n", b"Set-Cookie: a=b\r\n"),
    ],
)
def test_what_goes_on_to_the_visitor(fields: bytes, passed: bytes) -> None:
    assert respond(fields).forwarded_head == b"HTTP/1.1 200 OK\r\n" + passed


def test_the_same_head_is_read_anew_for_another_method() -> None:
    fields = b"Content-Length: 5\r\n"
    get, head = respond(fields), respond(fields, method=b"HEAD")
    assert get.body != head.body
    assert respond(fields) == get


def test_what_it_says_of_itself() -> None:
    head = respond(b"Date: x\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\n", b"HTTP/1.1 101 Switching")
    assert head.has_date
    assert head.upgrades == (b"websocket",)
    assert head.connection_options == {b"upgrade"}
    assert not respond().has_date


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        (b"Content-Length: 1\r\nContent-Length: 2\r\n", "differing values of Content-Length"),
        (b"Transfer-Encoding: gzip\r\n", "unknown or repeated transfer coding"),
        (b"X-A: b\x00\r\n", "forbidden character in the header field X-A"),
        (b"no colon\r\n", "malformed name of a header field"),
    ],
)
def test_what_is_refused_is_said_to_the_owner(fields: bytes, reason: str) -> None:
    with pytest.raises(RemoteProtocolError, match=reason):
        respond(fields)
