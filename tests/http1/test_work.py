"""No message at the grammar's limits takes long to read in one go, whatever its sender puts into it."""

from __future__ import annotations

import contextlib

import pytest

from conductor_trio.errors import RemoteProtocolError
from conductor_trio.http1.body import EndOfMessage
from conductor_trio.http1.forwarded import Peer
from conductor_trio.http1.reader import RequestReader, ResponseReader
from conductor_trio.http1.request import RequestHead
from conductor_trio.http1.rewrite import format_request_head
from conductor_trio.limits.constants import MAX_CHUNKS_AT_ONCE, MAX_LIST_COMMAS, MAX_RESPONSE_FIELDS
from conductor_trio.limits.server import ServerLimits
from tests.support.work import MAX_STEP_CALLS, count_calls

LIMITS = ServerLimits()
SIZE = LIMITS.max_head - 1024
PEER = Peer(address="192.0.2.1", is_https=False, is_trusted=True)


def fill(begin: bytes, again: bytes, end: bytes = b"") -> bytes:
    """Return a text of nearly the size that a head may have."""
    return begin + again * ((SIZE - len(begin) - len(end)) // len(again)) + end


REQUESTS = {
    "empty pairs beside our cookie": fill(b"Cookie: authorization=x", b";"),
    "pairs beside our cookie": fill(b"Cookie: authorization=x", b";a=b"),
    "many of our cookies": fill(b"Cookie: authorization=x", b";authorization=%41"),
    "empty options": fill(b"Connection: ", b","),
    "options": fill(b"Connection: ", b"a,"),
    "protocols": fill(b"Connection: upgrade\r\nUpgrade: ", b"a,"),
    "codings": fill(b"Transfer-Encoding: ", b"chunked,"),
    "expectations": fill(b"Expect: ", b","),
    "kinds of trailers": fill(b"TE: ", b"a,"),
    "addresses": fill(b"X-Forwarded-For: ", b"1,"),
    "fields": b"\r\n".join([b"X-%d: %b" % (number, b"v" * 600) for number in range(98)]),
}


@pytest.mark.parametrize("fields", REQUESTS.values(), ids=REQUESTS.keys())
def test_a_request_s_head(fields: bytes) -> None:
    reader = RequestReader(LIMITS)
    reader.receive_data(b"GET / HTTP/1.1\r\nHost: a\r\n" + fields + b"\r\n\r\n")

    def work() -> None:
        with contextlib.suppress(RemoteProtocolError):
            request = reader.next_event()
            assert isinstance(request, RequestHead)
            format_request_head(request, PEER, drop_authorization=False)
            PEER.visitor_address(request)

    calls = count_calls(work)
    assert calls < MAX_STEP_CALLS


RESPONSES = {
    "fields": fill(b"", b"a:\r\n"),
    "fields in lines that are not strict": fill(b"", b"a:\n"),
    "folded lines": fill(b"A: b", b"\r\n c") + b"\r\n",
    "options": fill(b"Connection: ", b"a,") + b"\r\n",
    "lengths": fill(b"Content-Length: 1", b",1") + b"\r\n",
    "kinds of data": fill(b"Clear-Site-Data: ", b",") + b"\r\n",
}


@pytest.mark.parametrize("fields", RESPONSES.values(), ids=RESPONSES.keys())
def test_a_response_s_head(fields: bytes) -> None:
    reader = ResponseReader(b"GET", LIMITS)
    reader.receive_data(b"HTTP/1.1 200 OK\r\n" + fields + b"\r\n")

    def work() -> None:
        with contextlib.suppress(RemoteProtocolError):
            reader.next_event()

    calls = count_calls(work)
    assert calls < MAX_STEP_CALLS


TRAILERS = {
    "fields": fill(b"", b"a:\r\n"),
    "fields in lines that are not strict": fill(b"", b"a:\n"),
}


@pytest.mark.parametrize("fields", TRAILERS.values(), ids=TRAILERS.keys())
def test_a_response_s_trailers(fields: bytes) -> None:
    reader = ResponseReader(b"GET", LIMITS)
    reader.receive_data(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + fields + b"\r\n")
    reader.next_event()

    def work() -> None:
        with contextlib.suppress(RemoteProtocolError):
            reader.next_event()

    calls = count_calls(work)
    assert calls < MAX_STEP_CALLS


@pytest.mark.parametrize(
    "chunk", [b"1\r\nx\r\n", b"1;a\r\nx\r\n", b"01\nx\n"], ids=["plain", "extended", "lenient"]
)
def test_chunks_of_one_byte_come_in_pieces_and_whole(chunk: bytes) -> None:
    count = LIMITS.read_size // len(chunk)
    reader = ResponseReader(b"GET", LIMITS)
    reader.receive_data(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk * count + b"0\r\n\r\n")
    reader.next_event()
    body = b""
    event = None

    def work() -> None:
        nonlocal event
        event = reader.next_event()

    while not isinstance(event, EndOfMessage):
        assert count_calls(work) < MAX_STEP_CALLS
        if isinstance(event, bytes):
            assert 0 < len(event) <= MAX_CHUNKS_AT_ONCE
            body += event
    assert body == b"x" * count
    assert reader.trailing_data == b""


def test_lists_and_fields_up_to_the_limits_are_read() -> None:
    for commas, is_read in ((MAX_LIST_COMMAS, True), (MAX_LIST_COMMAS + 1, False)):
        requests = RequestReader(LIMITS)
        requests.receive_data(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: a" + b",a" * commas + b"\r\n\r\n")
        with contextlib.nullcontext() if is_read else pytest.raises(RemoteProtocolError, match="endless"):
            requests.next_event()
    for count, is_read in ((MAX_RESPONSE_FIELDS, True), (MAX_RESPONSE_FIELDS + 1, False)):
        responses = ResponseReader(b"GET", LIMITS)
        responses.receive_data(b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * count + b"\r\n")
        with contextlib.nullcontext() if is_read else pytest.raises(RemoteProtocolError):
            responses.next_event()
