"""The guard before the scripts of service workers: where it goes, and what cannot go on beside it.

What it does is tried in a real browser (`tests/e2e/test_browser_neighbours.py`).
"""

from __future__ import annotations

import pytest

from conductor_trio.access.service_worker import GUARD, guard_worker
from conductor_trio.errors import RemoteProtocolError
from conductor_trio.http1.body import Framing
from conductor_trio.http1.request import RequestHead
from conductor_trio.http1.response import ResponseHead, parse_response_head
from tests.support.heads import parse_request_head

OK = b"HTTP/1.1 200 OK\r\n"
ALLOWED = b"Service-Worker-Allowed: /\r\n"


def request(target: bytes) -> RequestHead:
    head = b"GET " + target + b" HTTP/1.1\r\nHost: x\r\nService-Worker: script\r\n\r\n"
    return parse_request_head(head, max_fields=9)


def response(fields: bytes = b"", *, line: bytes = OK, method: bytes = b"GET") -> ResponseHead:
    return parse_response_head(line + fields + b"\r\n", method=method)


@pytest.mark.parametrize(
    ("target", "fields", "is_guarded"),
    [
        (b"/sw.js", b"", True),
        (b"/sw.js?at=/a/b", b"", True),
        (b"/?worker", b"", True),
        (b"/static/sw.js", b"", False),
        (b"/static/sw.js", ALLOWED, True),
        (b"/static/sw.js", b"service-worker-allowed: /static\r\n", True),
        (b"/sw.js", b"Content-Encoding: identity\r\nContent-Type: text/javascript; charset=UTF-8\r\n", True),
        (b"/sw.js", b"Content-Type: text/javascript;charset=utf8\r\n", True),
    ],
)
def test_what_could_have_our_pages_in_its_scope_is_guarded(target: bytes, fields: bytes, is_guarded: bool) -> None:
    for framing in (b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n", b""):
        before = response(fields + framing)
        after, guard = guard_worker(request(target), before)
        assert guard == (GUARD if is_guarded else b"")
        assert after.body.framing is before.body.framing
        if after.body.framing is Framing.LENGTH:
            assert after.body.length == 5 + len(guard)


@pytest.mark.parametrize(
    "line", [b"HTTP/1.1 404 Not Found\r\n", b"HTTP/1.1 503 No\r\n", b"HTTP/1.1 302 Found\r\n"]
)
def test_what_is_no_script_passes(line: bytes) -> None:
    head = response(b"Content-Length: 0\r\n", line=line)
    if b"302" not in line:
        assert guard_worker(request(b"/sw.js"), head) == (head, b"")
    bare = response(b"Content-Length: 9\r\n", line=line, method=b"HEAD")
    assert guard_worker(request(b"/sw.js"), bare) == (bare, b"")


@pytest.mark.parametrize(
    "head",
    [
        response(b"Content-Encoding: gzip\r\nContent-Length: 5\r\n"),
        response(b"Content-Encoding: deflate\r\nContent-Encoding: identity\r\nContent-Length: 5\r\n"),
        response(b"Content-Encoding: identity, br\r\nContent-Length: 5\r\n"),
        response(b"Content-Type: text/javascript; charset=utf-16le\r\nContent-Length: 5\r\n"),
        response(b'Content-Type: text/javascript; CHARSET = "Unicode"\r\nContent-Length: 5\r\n'),
        response(line=b"HTTP/1.1 304 Not Modified\r\n"),
    ],
    ids=str,
)
def test_what_the_guard_cannot_go_before_does_not_go_on(head: ResponseHead) -> None:
    with pytest.raises(RemoteProtocolError):
        guard_worker(request(b"/sw.js"), head)


def test_the_guard_leaves_line_numbers_as_they_are() -> None:
    assert b"\n" not in GUARD and GUARD.endswith(b"} ")
