"""Who is told to stay with HTTPS, and who that others read along."""

from __future__ import annotations

import pytest

from conductor_trio.access.transport_security import is_exposed, transport_security_fields
from conductor_trio.http1.request import RequestHead
from tests.support.heads import parse_request_head

PUBLIC, LOCAL = b"lab-alice.apps.example.org", b"lab-alice.localhost:8888"
METADATA = b"Sec-Fetch-Site: none\r\n"


def request(host: bytes, fields: bytes = b"") -> RequestHead:
    return parse_request_head(b"GET / HTTP/1.1\r\nHost: " + host + b"\r\n" + fields + b"\r\n", max_fields=9)


@pytest.mark.parametrize(
    ("host", "https", "is_told"),
    [(PUBLIC, True, True), (PUBLIC, False, False), (LOCAL, True, False), (b"localhost", True, False)],
)
def test_a_browser_that_came_by_https_stays_with_it(host: bytes, https: bool, is_told: bool) -> None:
    told = transport_security_fields(request(host), https=https)
    assert bool(told) is is_told
    for name, value in told:
        assert name == b"Strict-Transport-Security"
        # Nothing is said of names below, or for ever.
        assert value.startswith(b"max-age=") and value.removeprefix(b"max-age=").isdigit()


@pytest.mark.parametrize(
    ("host", "fields", "https", "exposed"),
    [
        (PUBLIC, b"", False, True),
        (PUBLIC + b":8888", b"", False, True),
        (b"192.0.2.1", b"", False, True),
        (PUBLIC, b"", True, False),
        (PUBLIC, METADATA, False, False),  # by a front proxy that is not trusted
        (LOCAL, b"", False, False),
        (b"127.0.0.1:8888", b"", False, False),
        (b"[::1]:8888", b"", False, False),
    ],
)
def test_who_comes_without_https_is_exposed(host: bytes, fields: bytes, https: bool, exposed: bool) -> None:
    assert is_exposed(request(host, fields), https=https) is exposed
