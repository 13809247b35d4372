"""Request targets, request lines and hosts: what passes, what is refused and what is answered here."""

from __future__ import annotations

from pathlib import Path

from tests.support.conformance import (
    HTTP10,
    HTTP10_KEPT,
    Row,
    answered,
    by_row,
    check_row,
    get,
    passes,
    refused,
    upstream,
)
from tests.support.engine import COOKIE, HOST, request

TARGETS = [
    passes(
        "origin-form",
        "3.2.1",
        get(line=b"GET /a/b;c?d=e&f=%20%ff HTTP/1.1"),
        upstream(line=b"GET /a/b;c?d=e&f=%20%ff HTTP/1.1"),
    ),
    passes("two slashes", "3.2.1", get(line=b"GET //a HTTP/1.1"), upstream(line=b"GET //a HTTP/1.1")),
    passes(
        "absolute-form becomes origin-form",
        "3.2.2",
        get(line=b"GET http://app-alice.test/a?b HTTP/1.1"),
        upstream(line=b"GET /a?b HTTP/1.1"),
    ),
    passes("absolute-form without a path", "3.2.2", get(line=b"GET http://app-alice.test HTTP/1.1"), upstream()),
    passes(
        "absolute-form with a query only",
        "3.2.2",
        get(line=b"GET http://app-alice.test?a HTTP/1.1"),
        upstream(line=b"GET /?a HTTP/1.1"),
    ),
    passes(
        "absolute-form in capitals, by HTTPS",
        "3.2.2",
        get(line=b"GET HTTPS://APP-alice.test/ HTTP/1.1"),
        upstream(),
    ),
    passes(
        "absolute-form decides where there is no Host",
        "3.2.2",
        b"GET http://app-alice.test/ HTTP/1.0\r\n" + COOKIE + b"\r\n",
        upstream(),
        is_kept=False,
    ),
    refused("absolute-form and Host disagree", "3.2.2", get(line=b"GET http://app-bob.test/ HTTP/1.1")),
    refused(
        "absolute-form and Host disagree on the port",
        "3.2.2",
        request(b"GET http://app-alice.test:81/ HTTP/1.1", host=HOST + b":80"),
    ),
    refused("absolute-form of another scheme", "3.2.2", get(line=b"GET ftp://app-alice.test/ HTTP/1.1")),
    refused("absolute-form with user", "RFC 9110 4.2.4", get(line=b"GET http://u@app-alice.test/ HTTP/1.1")),
    refused("absolute-form without a host", "3.2.2", get(line=b"GET http:///a HTTP/1.1")),
    answered("asterisk-form", "3.2.4", request(b"OPTIONS * HTTP/1.1", auth=b""), 200),
    answered(
        "asterisk-form by an absolute one", "3.2.4", get(line=b"OPTIONS http://app-alice.test HTTP/1.1"), 200
    ),
    refused("asterisk-form with GET", "3.2.4", get(line=b"GET * HTTP/1.1")),
    passes("OPTIONS of a path", "3.2.1", get(line=b"OPTIONS /a HTTP/1.1"), upstream(line=b"OPTIONS /a HTTP/1.1")),
    refused("CONNECT", "3.2.3", get(line=b"CONNECT app-alice.test:80 HTTP/1.1"), 405),
    refused("CONNECT of a path", "3.2.3", get(line=b"CONNECT / HTTP/1.1"), 405),
    refused("authority-form", "3.2.3", get(line=b"GET app-alice.test:80 HTTP/1.1")),
    refused("a fragment", "3.2", get(line=b"GET /a#b HTTP/1.1")),
    refused("a relative path", "3.2", get(line=b"GET a HTTP/1.1")),
    refused("bytes above ASCII in the target", "3.2", get(line=b"GET /\xc3\xa9 HTTP/1.1")),
    refused("a tab in the target", "3.2", get(line=b"GET /a\tb HTTP/1.1")),
    refused("a space in the target", "3.2", get(line=b"GET /a b HTTP/1.1")),
    refused("a target longer than 16 KiB", "3", get(line=b"GET /" + b"a" * 16 * 1024 + b" HTTP/1.1"), 414),
    passes(
        "a target of 16 KiB",
        "3",
        get(line=b"GET /" + b"a" * (16 * 1024 - 1) + b" HTTP/1.1"),
        upstream(line=b"GET /" + b"a" * (16 * 1024 - 1) + b" HTTP/1.1"),
    ),
]


LINES = [
    passes("empty lines before a request", "2.2", b"\r\n\r\n" + get(), upstream()),
    passes("an unknown method", "3.1", get(line=b"PROPFIND / HTTP/1.1"), upstream(line=b"PROPFIND / HTTP/1.1")),
    passes("a method in lower case", "3.1", get(line=b"get / HTTP/1.1"), upstream(line=b"get / HTTP/1.1")),
    passes("HTTP/1.0", "2.3", HTTP10, upstream(), is_kept=False),
    passes("HTTP/1.0 that wants to stay", "9.3", HTTP10_KEPT, upstream()),
    passes("a later minor version", "2.3", get(line=b"GET / HTTP/1.9"), upstream()),
    passes("HTTP/1.1 that wants to go", "9.6", get(b"Connection: close\r\n"), upstream(), is_kept=False),
    passes(
        "close among other options", "9.6", get(b"Connection: keep-alive, Close\r\n"), upstream(), is_kept=False
    ),
    refused("HTTP/2.0", "2.3", get(line=b"GET / HTTP/2.0"), 505),
    refused("HTTP/0.9", "2.3", b"GET /\r\n\r\n"),
    refused("the preface of HTTP/2", "2.3", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    refused("a TLS greeting", "2.2", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
    refused("two spaces", "3", get(line=b"GET  / HTTP/1.1")),
    refused("a space at the end of the request line", "3", get(line=b"GET / HTTP/1.1 ")),
    refused("a space before the request line", "3", get(line=b" GET / HTTP/1.1")),
    refused("a version in lower case", "2.3", get(line=b"GET / http/1.1")),
    refused("a version of two digits", "2.3", get(line=b"GET / HTTP/1.10")),
    refused("no method", "3", get(line=b" / HTTP/1.1")),
    refused("LF as a line end", "2.2", get().replace(b"\r\n", b"\n")),
    refused("LF after the request line", "2.2", get().replace(b"\r\n", b"\n", 1)),
    refused("LF at the end of the head", "2.2", get(b"A: b\n")),
    refused("CR as a line end", "2.2", get(b"A: b\rC: d\r\n")),
    refused("CR CR LF", "2.2", get(b"A: b\r\r\n")),
]


HOSTS = [
    passes(
        "Host in capitals", "RFC 9110 4.2.3", request(host=b"App-ALICE.test"), upstream(host=b"App-ALICE.test")
    ),
    passes(
        "Host with a port",
        "RFC 9110 7.2",
        request(host=HOST + b":8888"),
        upstream(host=HOST + b":8888"),
    ),
    passes("Host with a trailing dot", "RFC 9110 7.2", request(host=HOST + b"."), upstream(host=HOST + b".")),
    refused("no Host", "3.2", b"GET / HTTP/1.1\r\n" + COOKIE + b"\r\n"),
    answered("no Host in HTTP/1.0", "3.2", b"GET / HTTP/1.0\r\n" + COOKIE + b"\r\n", 404, is_kept=False),
    refused("two Hosts", "3.2", get(b"Host: other-alice.test\r\n")),
    refused("the same Host twice", "3.2", get(b"Host: app-alice.test\r\n")),
    *[
        refused(f"Host {value!r}", "3.2", request(host=value))
        for value in [
            b"",
            b"app-alice.test, app-bob.test",
            b"app-alice.test app-bob.test",
            b"user@app-alice.test",
            b"app-alice.test/a",
            b"app-alice.test:0",
            b"app-alice.test:65536",
            b"app-alice.test:8o",
            b"app-alice.test:-1",
            b"app-alice.test\x00",
            b"app-alice.t\xc3\xa9st",
            b"app%2dalice.test",
            b"[::1",
        ]
    ],
    answered("a Host without a route", "RFC 9110 7.4", request(host=b"none-alice.test"), 404),
    answered("a Host with a user's name only", "RFC 9110 7.4", request(host=b"alice.test"), 404),
]


@by_row([*TARGETS, *LINES, *HOSTS])
async def test_row(row: Row, watch_delay: float, short_tmp: Path) -> None:
    await check_row(row, watch_delay, short_tmp)
