"""Heads are written anew: what is written is read back as meant, whatever came."""

from __future__ import annotations

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conductor_trio.http1.forwarded import Peer
from conductor_trio.http1.request import RequestHead
from conductor_trio.http1.response import ResponseHead, parse_response_head
from conductor_trio.http1.rewrite import (
    format_request_head,
    format_response_head,
    plan_response_framing,
    switches_as_asked,
)
from tests.support.engine import parse_strictly
from tests.support.heads import parse_request_head
from tests.support.messages import HANDLED, pairs, requests

STRANGER = Peer(address="192.0.2.1", is_https=False, is_trusted=False)
PROXY = Peer(address=None, is_https=False, is_trusted=True)
UPGRADE = b"Connection: upgrade\r\nUpgrade: %b\r\n"


def parse(fields: bytes = b"", line: bytes = b"GET / HTTP/1.1") -> RequestHead:
    return parse_request_head(line + b"\r\nHost: x.test\r\n" + fields + b"\r\n", max_fields=100)


def respond(fields: bytes = b"", line: bytes = b"HTTP/1.1 200 OK", method: bytes = b"GET") -> ResponseHead:
    return parse_response_head(line + b"\r\n" + fields + b"\r\n", method=method)


@given(requests(), st.sampled_from([STRANGER, PROXY]), st.booleans())
def test_a_request_that_is_written_anew_is_beyond_doubt(message: bytes, peer: Peer, drop: bool) -> None:
    raw_head, _, body = message.partition(b"\r\n\r\n")
    head = parse_request_head(raw_head + b"\r\n\r\n", max_fields=100)
    written = format_request_head(head, peer, drop_authorization=drop)
    body = b"" if head.body.is_empty else b"0\r\n\r\n" if b"chunked" in written else bytes(head.body.length)
    (read,) = parse_strictly(written + body)
    assert read.line == head.method + b" " + head.target + b" HTTP/1.1"
    assert read.values(b"host") == [b"x.test"]
    # To write again what was written changes nothing more: it has become end-to-end.
    again = format_request_head(
        parse_request_head(written, max_fields=200),
        Peer(address=None, is_https=False, is_trusted=True),
        drop_authorization=drop,
    )
    (read_again,) = parse_strictly(again + body)
    assert sorted(read_again.fields) == sorted(read.fields)


@pytest.mark.parametrize(
    ("address", "node"), [("192.0.2.1", b"192.0.2.1"), ("2001:db8::1", b'"[2001:db8::1]"'), ("::1", b'"[::1]"')]
)
def test_the_visitors_address(address: str, node: bytes) -> None:
    peer = Peer(address=address, is_https=True, is_trusted=False)
    (read,) = parse_strictly(format_request_head(parse(), peer, drop_authorization=False))
    assert read.values(b"x-forwarded-for") == read.values(b"x-real-ip") == [address.encode()]
    assert read.values(b"forwarded") == [b"for=%b;host=x.test;proto=https" % node]
    assert read.values(b"x-forwarded-proto") == [b"https"]
    assert read.values(b"x-forwarded-port") == [b"443"]


def test_a_trusted_proxy_with_an_address_is_added() -> None:
    peer = Peer(address="192.0.2.9", is_https=False, is_trusted=True)
    told = b"X-Forwarded-For: 10.0.0.1\r\nForwarded: for=10.0.0.1\r\nX-Forwarded-Proto: https\r\n"
    (read,) = parse_strictly(format_request_head(parse(told), peer, drop_authorization=False))
    assert read.values(b"x-forwarded-for") == [b"10.0.0.1, 192.0.2.9"]
    assert read.values(b"forwarded") == [b"for=10.0.0.1, for=192.0.2.9;host=x.test;proto=http"]
    assert read.values(b"x-forwarded-proto") == [b"https"]
    assert peer.uses_https(parse(told))
    assert peer.visitor_address(parse(told)) == "10.0.0.1"
    assert not STRANGER.uses_https(parse(told))
    assert STRANGER.visitor_address(parse(told)) == "192.0.2.1"


def test_only_the_field_that_authorised_is_dropped() -> None:
    head = parse(b"Authorization: Bearer x\r\nProxy-Authorization: y\r\n")
    (kept,) = parse_strictly(format_request_head(head, STRANGER, drop_authorization=False))
    (dropped,) = parse_strictly(format_request_head(head, STRANGER, drop_authorization=True))
    assert kept.values(b"authorization") == [b"Bearer x"]
    assert dropped.values(b"authorization") == []


responses = st.sampled_from(
    [
        (b"HTTP/1.1 200 OK", b"Content-Length: 5\r\n"),
        (b"HTTP/1.1 200 OK", b"Transfer-Encoding: chunked\r\n"),
        (b"HTTP/1.0 200 OK", b""),
        (b"HTTP/1.1 200", b"Connection: close, X\r\n"),
        (b"HTTP/1.1 204 ", b""),
        (b"HTTP/1.1 304 N", b"Content-Length: 5\r\n"),
    ]
)
lines = st.sampled_from([b"GET / HTTP/1.1", b"HEAD / HTTP/1.1", b"GET / HTTP/1.0", b"HEAD / HTTP/1.0"])


@given(responses, pairs, lines, st.booleans(), st.booleans())
def test_a_response_that_is_written_anew_is_read_as_meant(
    message: tuple[bytes, bytes], others: list[tuple[bytes, bytes]], line: bytes, may_keep: bool, asks: bool
) -> None:
    request = parse(b"Connection: keep-alive\r\n" if asks else b"", line)
    fields = b"".join(b"%b: %b\r\n" % pair for pair in others if pair[0].lower() not in HANDLED)
    response = respond(message[1] + fields, message[0], request.method)
    delivery = plan_response_framing(request, response, may_keep=may_keep)
    written = format_response_head(request, response, delivery, date=b"D")
    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method=request.method, target="/", headers=[("Host", "x")]))
    client.send(h11.EndOfMessage())
    client.receive_data(written)
    read = client.next_event()
    assert isinstance(read, h11.Response)
    assert (read.status_code, read.reason, read.http_version) == (response.status, response.reason, b"1.1")
    names = [name for name, _ in read.headers]
    assert names.count(b"date") == max(1, len([pair for pair in others if pair[0].lower() == b"date"]))
    assert len([name for name in names if name in (b"content-length", b"transfer-encoding")]) <= 1
    # The body ends for the visitor as it is going to be written.
    assert (b"transfer-encoding" in names) is delivery.chunked
    has_end = response.body.is_empty or b"content-length" in names or delivery.chunked
    assert has_end or not delivery.keep_alive
    assert (b"close" in dict(read.headers).get(b"connection", b"")) is not delivery.keep_alive
    if delivery.chunked:
        assert request.is_http11
    if delivery.keep_alive:
        assert may_keep and request.keep_alive


@pytest.mark.parametrize(
    ("asked", "answer", "does"),
    [
        (b"websocket", b"websocket", True),
        (b"WebSocket", b"webSocket", True),
        (b"a, b", b"b", True),
        (b"a, b", b"a, b", True),
        (b"foo", b"foo/2", True),
        (b"foo/2", b"foo/3", False),
        (b"foo/2", b"foo", False),
        (b"websocket", b"", False),
        (b"websocket", b"other", False),
        (b"websocket", b"websocket, other", False),
    ],
)
def test_a_101_answers_what_was_asked(asked: bytes, answer: bytes, does: bool) -> None:
    request = parse(UPGRADE % asked)
    response = respond(UPGRADE % answer, b"HTTP/1.1 101 X")
    assert switches_as_asked(request, response) is does
    assert not switches_as_asked(parse(), response)
    without_option = respond(b"Upgrade: %b\r\n" % answer, b"HTTP/1.1 101 X")
    assert switches_as_asked(request, without_option) is does
    without_name = respond(b"Connection: Upgrade\r\n", b"HTTP/1.1 101 X")
    assert not switches_as_asked(request, without_name)


@pytest.mark.parametrize("drop", [False, True])
def test_the_script_of_a_service_worker_is_asked_for_as_it_is(drop: bool) -> None:
    told = (
        b"Accept-Encoding: br\r\nIf-None-Match: x\r\nIf-Modified-Since: y\r\nRange: bytes=0-1\r\nAccept: */*\r\n"
        b"Service-Worker: script\r\nAuthorization: Bearer t\r\n"
    )
    written = format_request_head(parse(told), STRANGER, drop_authorization=drop)
    assert b"Accept: */*\r\nService-Worker: script\r\n" in written
    assert (b"Authorization" in written) is not drop
    for name in (b"Accept-Encoding", b"If-", b"Range"):
        assert name not in written


@pytest.mark.parametrize("peer", [STRANGER, PROXY])
@pytest.mark.parametrize("name", [b"X-Request-Id", b"x-request-id", b"X_Request_Id", b"X-Request_Id"])
def test_there_is_one_request_id_and_it_is_ours(name: bytes, peer: Peer) -> None:
    head = parse(name + b": theirs\r\nX-Other: kept\r\n")
    (read,) = parse_strictly(format_request_head(head, peer, drop_authorization=False, request_id=b"ours"))
    assert read.values(b"x-request-id") == [b"ours"] and read.values(b"x-other") == [b"kept"]
    assert not any(b"theirs" in field for field in read.fields)


def test_without_one_of_ours_a_request_id_is_a_field_like_any_other() -> None:
    head = parse(b"X-Request-Id: theirs\r\n")
    (read,) = parse_strictly(format_request_head(head, STRANGER, drop_authorization=False))
    assert read.values(b"x-request-id") == [b"theirs"]
