"""Who the visitor is: a stranger's word is replaced, a trusted proxy's is kept and added to."""

from __future__ import annotations

import pytest

from conductor_trio.http1.forwarded import Peer, own_forwarding, trusted_forwarding
from conductor_trio.http1.request import RequestHead
from tests.support.heads import parse_request_head

STRANGER = Peer(address="192.0.2.1", is_https=False, is_trusted=False)
PROXY = Peer(address="192.0.2.2", is_https=False, is_trusted=True)
UNIX_PROXY = Peer(address=None, is_https=False, is_trusted=True)


def parse(fields: bytes = b"", host: bytes = b"x.test") -> RequestHead:
    head = b"GET / HTTP/1.1\r\nHost: " + host + b"\r\n" + fields + b"\r\n"
    return parse_request_head(head, max_fields=20)


@pytest.mark.parametrize(
    ("peer", "fields", "is_https"),
    [
        (STRANGER, b"", False),
        (STRANGER, b"X-Forwarded-Proto: https\r\n", False),
        (Peer(address="192.0.2.1", is_https=True, is_trusted=False), b"X-Forwarded-Proto: http\r\n", True),
        (PROXY, b"", False),
        (PROXY, b"X-Forwarded-Proto: https\r\n", True),
        (PROXY, b"X-Forwarded-Proto: HTTPS\r\n", True),
        (PROXY, b"X-Forwarded-Proto: https, http\r\n", True),
        (PROXY, b"X-Forwarded-Proto: http, https\r\n", False),
        (Peer(address="192.0.2.2", is_https=True, is_trusted=True), b"", True),
    ],
)
def test_whether_the_visitor_came_by_https(peer: Peer, fields: bytes, is_https: bool) -> None:
    assert peer.uses_https(parse(fields)) is is_https


@pytest.mark.parametrize(
    ("peer", "fields", "address"),
    [
        (STRANGER, b"X-Forwarded-For: 10.0.0.1\r\n", "192.0.2.1"),
        (PROXY, b"", "192.0.2.2"),
        (PROXY, b"X-Forwarded-For: 10.0.0.1, 10.0.0.2\r\n", "10.0.0.2"),
        (PROXY, b"X-Forwarded-For: 10.0.0.1\r\nX-Forwarded-For: 10.0.0.3\r\n", "10.0.0.3"),
        (UNIX_PROXY, b"", "unix"),
        (UNIX_PROXY, b"X-Forwarded-For: 10.0.0.1\r\n", "10.0.0.1"),
    ],
)
def test_a_visitor_counts_by_the_address_that_the_last_trusted_hop_saw(
    peer: Peer, fields: bytes, address: str
) -> None:
    assert peer.visitor_address(parse(fields)) == address


@pytest.mark.parametrize(
    ("peer", "host", "lines"),
    [
        (
            STRANGER,
            b"x.test",
            [
                b"X-Forwarded-For: 192.0.2.1",
                b"X-Forwarded-Host: x.test",
                b"X-Forwarded-Port: 80",
                b"X-Forwarded-Proto: http",
                b"X-Real-IP: 192.0.2.1",
                b"Forwarded: for=192.0.2.1;host=x.test;proto=http",
            ],
        ),
        (
            Peer(address="2001:db8::1", is_https=True, is_trusted=False),
            b"x.test",
            [
                b"X-Forwarded-For: 2001:db8::1",
                b"X-Forwarded-Host: x.test",
                b"X-Forwarded-Port: 443",
                b"X-Forwarded-Proto: https",
                b"X-Real-IP: 2001:db8::1",
                b'Forwarded: for="[2001:db8::1]";host=x.test;proto=https',
            ],
        ),
        (
            STRANGER,
            b"x.test:8888",
            [
                b"X-Forwarded-For: 192.0.2.1",
                b"X-Forwarded-Host: x.test:8888",
                b"X-Forwarded-Port: 8888",
                b"X-Forwarded-Proto: http",
                b"X-Real-IP: 192.0.2.1",
                b'Forwarded: for=192.0.2.1;host="x.test:8888";proto=http',
            ],
        ),
    ],
)
def test_what_the_application_is_told_of_a_stranger(peer: Peer, host: bytes, lines: list[bytes]) -> None:
    told = own_forwarding(parse(b"X-Forwarded-For: 10.9.9.9\r\n", host), peer, host)
    assert told.split(b"\r\n") == [*lines, b""]


@pytest.mark.parametrize(
    ("peer", "fields", "told"),
    [
        (
            UNIX_PROXY,
            b"",
            {b"X-Forwarded-Proto": b"http", b"X-Forwarded-Host": b"x.test", b"X-Forwarded-Port": b"80"},
        ),
        (
            UNIX_PROXY,
            b"X-Forwarded-For: 10.0.0.1\r\nX-Forwarded-Proto: https\r\nX-Real-IP: 10.0.0.1\r\n"
            b"Forwarded: for=10.0.0.1\r\n",
            {
                b"X-Forwarded-Proto": b"https",
                b"X-Forwarded-Host": b"x.test",
                b"X-Forwarded-Port": b"443",
                b"X-Real-IP": b"10.0.0.1",
                b"X-Forwarded-For": b"10.0.0.1",
                b"Forwarded": b"for=10.0.0.1",
            },
        ),
        (
            PROXY,
            b"X-Forwarded-For: 10.0.0.1\r\nX-Forwarded-Host: lab.test\r\nForwarded: for=10.0.0.1\r\n",
            {
                b"X-Forwarded-Proto": b"http",
                b"X-Forwarded-Host": b"lab.test",
                b"X-Forwarded-Port": b"80",
                b"X-Real-IP": b"192.0.2.2",
                b"X-Forwarded-For": b"10.0.0.1, 192.0.2.2",
                b"Forwarded": b"for=10.0.0.1, for=192.0.2.2;host=x.test;proto=http",
            },
        ),
    ],
)
def test_what_a_trusted_proxy_told_stands_and_lists_grow(
    peer: Peer, fields: bytes, told: dict[bytes, bytes]
) -> None:
    found = trusted_forwarding(parse(fields), peer, b"x.test")
    assert {field.name: field.value for field in found} == told
