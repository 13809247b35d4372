"""Preflights of allowed origins and of all others, and what lets a page read a response, by tables."""

from __future__ import annotations

import pytest

from conductor_trio.access.cors import Preflight, preflight_fields, read_preflight, sharing_fields
from conductor_trio.access.origins import Policy
from conductor_trio.http1.request import RequestHead
from conductor_trio.limits.constants import MAX_PREFLIGHT
from tests.support.heads import parse_request_head

ORIGIN = b"https://portal.test"
PORTAL = Policy(allowed_origins=frozenset([ORIGIN]))
VARY = (b"Vary", b"Origin")
MAY_READ = ((b"Access-Control-Allow-Origin", ORIGIN), (b"Access-Control-Allow-Credentials", b"true"), VARY)


def make_head(fields: bytes, method: bytes = b"OPTIONS") -> RequestHead:
    return parse_request_head(b"%b /api HTTP/1.1\r\nHost: x.test\r\n%b\r\n" % (method, fields), max_fields=100)


def asking(method: bytes = b"PUT", headers: bytes | None = None, origin: bytes = ORIGIN) -> bytes:
    fields = b"Origin: " + origin + b"\r\nAccess-Control-Request-Method: " + method + b"\r\n"
    return fields if headers is None else fields + b"Access-Control-Request-Headers: " + headers + b"\r\n"


@pytest.mark.parametrize(
    ("fields", "headers"),
    [
        (asking(), ()),
        (asking(headers=b"content-type"), (b"content-type",)),
        (asking(headers=b"Content-Type,x-a , X-B"), (b"content-type", b"x-a", b"x-b")),
        (asking(headers=b""), ()),
    ],
)
def test_a_preflight_of_an_allowed_origin(fields: bytes, headers: tuple[bytes, ...]) -> None:
    preflight = read_preflight(make_head(fields), PORTAL)
    assert preflight == Preflight(origin=ORIGIN, method=b"PUT", headers=headers)
    told = dict(preflight_fields(preflight))
    assert told[b"Access-Control-Allow-Origin"] == ORIGIN
    assert told[b"Access-Control-Allow-Credentials"] == b"true"
    assert told[b"Access-Control-Allow-Methods"] == b"PUT"
    assert told.get(b"Access-Control-Allow-Headers", b"") == b", ".join(headers)
    assert b"Origin" in told[b"Vary"] and int(told[b"Access-Control-Max-Age"]) > 0


@pytest.mark.parametrize(
    ("method", "fields"),
    [
        (b"OPTIONS", asking(origin=b"https://evil.test")),
        (b"OPTIONS", asking(origin=b"http://portal.test")),
        (b"OPTIONS", asking(origin=b"null")),
        (b"OPTIONS", b"Origin: " + ORIGIN + b"\r\n"),
        (b"OPTIONS", b"Access-Control-Request-Method: PUT\r\n"),
        (b"OPTIONS", asking() + b"Access-Control-Request-Method: DELETE\r\n"),
        (b"OPTIONS", asking() + b"Origin: https://evil.test\r\n"),
        (b"OPTIONS", asking(b"")),
        (b"OPTIONS", asking(b"PUT, DELETE")),
        (b"OPTIONS", asking(b"P\xe9T")),
        (b"OPTIONS", asking(headers=b"x y")),
        (b"OPTIONS", asking(headers=b"x;y")),
        (b"OPTIONS", asking(headers=b"x" * MAX_PREFLIGHT)),
        (b"OPTIONS", asking(b"x" * MAX_PREFLIGHT + b"x")),
        (b"GET", asking()),
        (b"POST", asking()),
    ],
)
def test_what_is_none(method: bytes, fields: bytes) -> None:
    assert read_preflight(make_head(fields, method), PORTAL) is None


@pytest.mark.parametrize(
    ("origin", "present", "expected"),
    [
        (ORIGIN, [], MAY_READ),
        (b"HTTPS://Portal.test", [], ((b"Access-Control-Allow-Origin", b"HTTPS://Portal.test"), *MAY_READ[1:])),
        (ORIGIN, [b"content-type", b"vary"], MAY_READ),
        (ORIGIN, [b"access-control-allow-credentials"], (MAY_READ[0], VARY)),
        (ORIGIN, [b"access-control-allow-origin"], ()),  # the application's own word
        (b"https://evil.test", [], (VARY,)),
        (b"null", [], (VARY,)),
        (None, [], (VARY,)),  # a browser's cache must not give this to the portal's page
    ],
)
def test_who_may_read(origin: bytes | None, present: list[bytes], expected: tuple[object, ...]) -> None:
    head = make_head(b"" if origin is None else b"Origin: " + origin + b"\r\n", b"GET")
    assert sharing_fields(head, PORTAL, present) == expected
    assert sharing_fields(head, Policy(), present) == ()
