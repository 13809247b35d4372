"""What the gateway does with each kind of message: a table with a clause for each row.

A request either reaches the application as exactly one message, or not at all and is answered here. `passes`,
`refused`, `answered`, `returns` and `broken` make the rows; the tests below them run each row through a real
visitor's connection, once in the way of an application that answers at once and once in that of a slow one,
in which the visitor is watched while the application thinks. Clauses are of RFC 9112 unless they name another.
"""

from __future__ import annotations

from pathlib import Path

import attrs
import pytest

from conductor_trio.limits import ServerLimits
from tests.support.engine import (
    COOKIE,
    HOST,
    OK,
    TOKEN,
    Application,
    Message,
    forwarding_for,
    open_engine,
    parse_strictly,
    request,
    take_message,
)

NO_CONTENT = b"HTTP/1.1 204 No Content\r\n\r\n"


@attrs.frozen(kw_only=True)
class Row:
    """One request, what the application must receive, and what the visitor must."""

    name: str
    clause: str
    sends: bytes
    reaches: bytes | None
    answer: bytes = OK
    status: int = 200
    shows: bytes | None = None  # the response's bytes, but for Date
    is_kept: bool = True
    unix: bool = False


def get(fields: bytes = b"", line: bytes = b"GET / HTTP/1.1") -> bytes:
    return request(line, fields)


def post(fields: bytes, body: bytes = b"", line: bytes = b"POST / HTTP/1.1") -> bytes:
    return request(line, fields, body)


def upstream(fields: bytes = b"", line: bytes = b"GET / HTTP/1.1", body: bytes = b"", host: bytes = HOST) -> bytes:
    """Write what the application receives; the forwarding fields are added."""
    return line + b"\r\nHost: " + host + b"\r\n" + fields + forwarding_for(host) + b"\r\n" + body


def passes(name: str, clause: str, sends: bytes, reaches: bytes, *, is_kept: bool = True) -> Row:
    """The request goes on, as `reaches`, and is answered by the application."""
    return Row(name=name, clause=clause, sends=sends, reaches=reaches, is_kept=is_kept)


def refused(name: str, clause: str, sends: bytes, status: int = 400) -> Row:
    """The request does not go on; it is answered by an error, and the connection ends."""
    return Row(name=name, clause=clause, sends=sends, reaches=None, status=status, is_kept=False)


def answered(name: str, clause: str, sends: bytes, status: int, *, is_kept: bool = True) -> Row:
    """The request does not go on; the connection stays."""
    return Row(name=name, clause=clause, sends=sends, reaches=None, status=status, is_kept=is_kept)


def returns(
    name: str, clause: str, answer: bytes, shows: bytes, *, sends: bytes | None = None, is_kept: bool = True
) -> Row:
    """The application's answer goes to the visitor as `shows`."""
    sends = get() if sends is None else sends
    method = sends.partition(b" ")[0]
    status = int(shows.rpartition(b"HTTP/1.1 ")[2][:3])
    reaches = upstream(line=method + b" / HTTP/1.1")
    return Row(
        name=name,
        clause=clause,
        sends=sends,
        reaches=reaches,
        answer=answer,
        status=status,
        shows=shows,
        is_kept=is_kept,
    )


def broken(name: str, clause: str, answer: bytes, sends: bytes | None = None) -> Row:
    """The application's answer is not passed on: 502."""
    row = returns(name, clause, answer, b"HTTP/1.1 502 Bad Gateway\r\n", sends=sends)
    return attrs.evolve(row, shows=None)


def chunked(*lines: bytes, fields: bytes = b"") -> bytes:
    return post(fields + b"Transfer-Encoding: chunked\r\n", b"".join(lines))


HTTP10 = request(b"GET / HTTP/1.0")
HTTP10_KEPT = request(b"GET / HTTP/1.0", b"Connection: keep-alive\r\n")

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

FIELDS = [
    passes(
        "names, values, order and bytes stay",
        "RFC 9110 5",
        get(b"X-B: 1\r\nx-a:2\r\nX-b: \t3  4\t \r\nX-Empty:\r\nX-Text: \xe9\xff\t\"'\\\r\n"),
        upstream(b"X-B: 1\r\nx-a: 2\r\nX-b: 3  4\r\nX-Empty: \r\nX-Text: \xe9\xff\t\"'\\\r\n"),
    ),
    *[
        refused(name, "5.1" if "colon" in name else "5", get(line))
        for name, line in {
            "a space before the colon": b"X-A : b\r\n",
            "a tab before the colon": b"X-A\t: b\r\n",
            "no colon": b"X-A\r\n",
            "no name": b": b\r\n",
            "a space in a name": b"X A: b\r\n",
            "a bracket in a name": b"X(A): b\r\n",
            "bytes above ASCII in a name": b"X-\xc3\xa9: b\r\n",
            "a folded line": b"X-A: b\r\n c\r\n",
            "a line folded by a tab": b"X-A: b\r\n\tc\r\n",
            "an empty folded line": b"X-A: b\r\n \r\n",
            "NUL in a value": b"X-A: b\x00\r\n",
            "a control character in a value": b"X-A: b\x01c\r\n",
            "DEL in a value": b"X-A: b\x7f\r\n",
            "an escape in a value": b"X-A: \x1b[0m\r\n",
            "vertical tab in a value": b"X-A: b\x0bc\r\n",
        }.items()
    ],
    refused("a folded first line", "5.2", get().replace(b"Host", b" Host")),
    passes(
        "100 fields",
        "5.4",
        get(b"".join(b"X-%d: x\r\n" % n for n in range(98))),
        upstream(b"".join(b"X-%d: x\r\n" % n for n in range(98))),
    ),
    refused("101 fields", "5.4", get(b"".join(b"X-%d: x\r\n" % n for n in range(99))), 431),
    passes(
        "a head of almost 64 KiB",
        "5.4",
        get(b"X: " + b"x" * 65000 + b"\r\n"),
        upstream(b"X: " + b"x" * 65000 + b"\r\n"),
    ),
    refused("a head larger than 64 KiB", "5.4", get(b"X: " + b"x" * 65536 + b"\r\n"), 431),
]

BODIES = [
    passes(
        "Content-Length",
        "6.2",
        post(b"Content-Length: 5\r\n", b"hello"),
        upstream(b"Content-Length: 5\r\n", b"POST / HTTP/1.1", b"hello"),
    ),
    passes(
        "Content-Length 0",
        "6.2",
        post(b"content-length: 0\r\n"),
        upstream(b"Content-Length: 0\r\n", b"POST / HTTP/1.1"),
    ),
    passes(
        "Content-Length with leading zeros",
        "6.2",
        post(b"Content-Length: 005\r\n", b"hello"),
        upstream(b"Content-Length: 5\r\n", b"POST / HTTP/1.1", b"hello"),
    ),
    passes("POST without a body", "6.3", get(line=b"POST / HTTP/1.1"), upstream(line=b"POST / HTTP/1.1")),
    passes(
        "GET with a body",
        "6",
        request(fields=b"Content-Length: 1\r\n", body=b"x"),
        upstream(b"Content-Length: 1\r\n", body=b"x"),
    ),
    passes(
        "a chunked body is framed anew",
        "7.1",
        chunked(b"5;a=b\r\nhello\r\n", b"00006;c\r\n world\r\n", b"0;d\r\n\r\n"),
        upstream(b"Transfer-Encoding: chunked\r\n", b"POST / HTTP/1.1", b"b\r\nhello world\r\n0\r\n\r\n"),
    ),
    passes(
        "Chunked in capitals",
        "7",
        post(b"TRANSFER-ENCODING: CHUNKED\r\n", b"A\r\n0123456789\r\n0\r\n\r\n"),
        upstream(b"Transfer-Encoding: chunked\r\n", b"POST / HTTP/1.1", b"a\r\n0123456789\r\n0\r\n\r\n"),
    ),
    passes(
        "trailers",
        "7.1.2",
        chunked(b"0\r\nX-Checksum: 1\r\nx-other: 2\r\n\r\n"),
        upstream(
            b"Transfer-Encoding: chunked\r\n",
            b"POST / HTTP/1.1",
            b"0\r\nX-Checksum: 1\r\nx-other: 2\r\n\r\n",
        ),
    ),
    passes(
        "trailers that would change the message",
        "RFC 9110 6.5.1",
        chunked(
            b"0\r\nContent-Length: 5\r\nHost: x\r\nCookie: authorization=x\r\nAuthorization: x\r\n",
            b"Transfer_Encoding: x\r\nX-Forwarded-For: 1.2.3.4\r\nX_Real_IP: 1.2.3.4\r\nTrailer: x\r\n",
            b"Connection: x\r\nX-A: b\r\n\r\n",
        ),
        upstream(b"Transfer-Encoding: chunked\r\n", b"POST / HTTP/1.1", b"0\r\nX-A: b\r\n\r\n"),
    ),
    *[
        refused(f"Content-Length {value!r}", "6.3", post(b"Content-Length: " + value + b"\r\n", b"hello"))
        for value in [
            b"",
            b"+5",
            b"-1",
            b"5a",
            b"0x5",
            b"5 5",
            b"5.0",
            b"5,5",
            b"5, 6",
            b"1_0",
            b"\xb2",
            b"9" * 19,
            b"9" * 400,
        ]
    ],
    refused("two Content-Lengths", "6.3", post(b"Content-Length: 5\r\nContent-Length: 6\r\n", b"hello!")),
    refused("a repeated Content-Length", "6.3", post(b"Content-Length: 5\r\nContent-length: 5\r\n", b"hello")),
    refused(
        "Content-Length with Transfer-Encoding",
        "6.1",
        post(b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n"),
    ),
    refused(
        "Transfer-Encoding with Content-Length",
        "6.1",
        post(b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", b"0\r\n\r\n"),
    ),
    *[
        refused(f"Transfer-Encoding {value!r}", "6.1", post(b"Transfer-Encoding: " + value + b"\r\n", b""), status)
        for value, status in {
            b"gzip": 501,
            b"gzip, chunked": 501,
            b"xchunked": 501,
            b"identity": 501,
            b"chunked, gzip": 400,
            b"chunked, chunked": 400,
            b"chunked;q=1": 400,
            b"\x0bchunked": 400,
            b'"chunked"': 400,
            b"": 400,
        }.items()
    ],
    refused(
        "two Transfer-Encodings",
        "6.1",
        post(b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n"),
    ),
    refused(
        "Transfer-Encoding in HTTP/1.0",
        "6.1",
        post(b"Transfer-Encoding: chunked\r\n", b"0\r\n\r\n", b"POST / HTTP/1.0"),
    ),
    *[
        refused(f"chunks {body!r}", "7.1", chunked(body))
        for body in [
            b"g\r\n",
            b"-1\r\n",
            b"+1\r\nx\r\n0\r\n\r\n",
            b"0x1\r\nx\r\n0\r\n\r\n",
            b" 1\r\nx\r\n0\r\n\r\n",
            b"1 \r\nx\r\n0\r\n\r\n",
            b"1 ;a\r\nx\r\n0\r\n\r\n",
            b"1\nx\r\n0\r\n\r\n",
            b"1\r\nx\n0\r\n\r\n",
            b"1\r\nxy\r\n0\r\n\r\n",
            b"1\r\nxyz0\r\n\r\n",
            b"1\r\nx\n\r0\r\n\r\n",
            b"1;a\nb\r\nx\r\n0\r\n\r\n",
            b"1;a\rb\r\nx\r\n0\r\n\r\n",
            b"1;\x00\r\nx\r\n0\r\n\r\n",
            b"1,1\r\nx\r\n0\r\n\r\n",
            b"\r\n",
            b";a\r\n",
            b"1" + b"0" * 16 + b"\r\n",
            b"1;" + b"a" * 5000 + b"\r\nx\r\n0\r\n\r\n",
            b"0\r\nX-A: b\n\r\n\r\n",
            b"0\r\nX-A : b\r\n\r\n",
            b"0\r\nX-A: b\r\n c\r\n\r\n",
            b"0\r\nX-A\r\n\r\n",
            b"0\n\r\n",
            b"0\r\n\n",
        ]
    ],
    refused("many trailers", "7.1.2", chunked(b"0\r\n", b"X: y\r\n" * 101, b"\r\n"), 431),
]

HOP_BY_HOP = [
    passes(
        "what Connection names ends here",
        "RFC 9110 7.6.1",
        get(b"Connection: keep-alive, X-Hop,, x-other\r\nX-Hop: 1\r\nX-Other: 2\r\nX-End: 3\r\n"),
        upstream(b"X-End: 3\r\n"),
    ),
    passes(
        "Connection in several fields",
        "RFC 9110 7.6.1",
        get(b"Connection: X-A\r\nX-A: 1\r\nConnection:\tX-B\r\nX-B: 2\r\n"),
        upstream(),
    ),
    passes(
        "hop-by-hop fields",
        "RFC 9110 7.6.1",
        get(
            b"Keep-Alive: timeout=5\r\nProxy-Connection: keep-alive\r\nProxy-Authorization: Basic x\r\n"
            b"Proxy-Authenticate: Basic\r\nTE: gzip\r\nUpgrade: websocket\r\n"
        ),
        upstream(),
    ),
    passes(
        "TE: trailers",
        "RFC 9110 10.1.4",
        get(b"Connection: TE\r\nTE: gzip;q=0.5, Trailers\r\n"),
        upstream(b"Connection: TE\r\nTE: trailers\r\n"),
    ),
    passes(
        "Connection cannot name what the gateway sets",
        "RFC 9110 7.6.1",
        post(
            b"Connection: Host, Content-Length, X-Forwarded-For, X-Forwarded-Proto, Forwarded, X-Real-IP\r\n"
            b"Content-Length: 1\r\n",
            b"x",
        ),
        upstream(b"Content-Length: 1\r\n", b"POST / HTTP/1.1", b"x"),
    ),
    passes(
        "Connection cannot name the framing",
        "RFC 9110 7.6.1",
        post(b"Connection: Transfer-Encoding\r\nTransfer-Encoding: chunked\r\n", b"1\r\nx\r\n0\r\n\r\n"),
        upstream(b"Transfer-Encoding: chunked\r\n", b"POST / HTTP/1.1", b"1\r\nx\r\n0\r\n\r\n"),
    ),
    passes(
        "Connection names the cookie", "RFC 9110 7.6.1", get(b"Connection: Cookie\r\nCookie: a=b\r\n"), upstream()
    ),
    passes(
        "an upgrade",
        "RFC 9110 7.8",
        get(b"Connection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\nSec-WebSocket-Version: 13\r\n"),
        upstream(b"Sec-WebSocket-Version: 13\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\n"),
    ),
    passes(
        "an upgrade to HTTP/2",
        "RFC 9113 3.1",
        get(b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"),
        upstream(),
    ),
    passes(
        "an upgrade in HTTP/1.0",
        "RFC 9110 7.8",
        request(b"GET / HTTP/1.0", b"Connection: Upgrade\r\nUpgrade: websocket\r\n"),
        upstream(),
        is_kept=False,
    ),
    passes(
        "an upgrade with a body",
        "RFC 9110 7.8",
        post(b"Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 1\r\n", b"x"),
        upstream(b"Content-Length: 1\r\n", b"POST / HTTP/1.1", b"x"),
    ),
    passes(
        "forwarding fields are ours",
        "RFC 7239 8.1",
        get(
            b"X-Forwarded-For: 10.0.0.1\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: evil\r\n"
            b"X-Forwarded-Port: 1\r\nX-Real-IP: 10.0.0.1\r\nForwarded: for=10.0.0.1\r\n"
            b"X_Forwarded_For: 10.0.0.1\r\nx-real_ip: 10.0.0.1\r\n"
        ),
        upstream(),
    ),
    passes(
        "names that CGI takes for the framing, the host, or a hop's",
        "RFC 3875 4.1.18",
        get(b"Content_Length: 5\r\nTransfer_Encoding: chunked\r\nProxy_Authorization: x\r\nX_Other: y\r\n"),
        upstream(b"X_Other: y\r\n"),
    ),
    passes(
        "100-continue in HTTP/1.1",
        "RFC 9110 10.1.1",
        post(b"Expect: 100-Continue\r\nContent-Length: 1\r\n", b"x"),
        upstream(b"Expect: 100-Continue\r\nContent-Length: 1\r\n", b"POST / HTTP/1.1", b"x"),
    ),
    refused("an unknown expectation", "RFC 9110 10.1.1", get(b"Expect: 200-maybe\r\n"), 417),
]


def proxied(name: str, sends: bytes, forwarding: bytes) -> Row:
    """A row whose visitor is a trusted front proxy on a UNIX socket."""
    reaches = b"GET / HTTP/1.1\r\nHost: app-alice.test\r\n" + forwarding + b"\r\n"
    row = passes(f"a trusted proxy: {name}", "RFC 7239 5", sends, reaches)
    return attrs.evolve(row, unix=True)


TRUSTED = [
    proxied(
        "says nothing",
        get(),
        b"X-Forwarded-Host: app-alice.test\r\nX-Forwarded-Port: 80\r\nX-Forwarded-Proto: http\r\n",
    ),
    proxied(
        "says all",
        get(
            b"X-Forwarded-For: 10.0.0.1, 10.0.0.2\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: lab.test\r\n"
            b"X-Forwarded-Port: 443\r\nX-Real-IP: 10.0.0.1\r\nForwarded: for=10.0.0.1;proto=https\r\n"
            b"X_Forwarded_For: 10.0.0.9\r\n"
        ),
        b"X-Forwarded-For: 10.0.0.1, 10.0.0.2\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: lab.test\r\n"
        b"X-Forwarded-Port: 443\r\nX-Real-IP: 10.0.0.1\r\nForwarded: for=10.0.0.1;proto=https\r\n",
    ),
    proxied(
        "says https and no port",
        get(b"X-Forwarded-Proto: https\r\n"),
        b"X-Forwarded-Proto: https\r\nX-Forwarded-Host: app-alice.test\r\nX-Forwarded-Port: 443\r\n",
    ),
    proxied(
        "tells in several fields, and names them hop-by-hop",
        get(b"Connection: X-Forwarded-For\r\nX-Forwarded-For: 10.0.0.1\r\nX-Forwarded-For: 10.0.0.2\r\n"),
        b"X-Forwarded-For: 10.0.0.1, 10.0.0.2\r\n"
        b"X-Forwarded-Host: app-alice.test\r\nX-Forwarded-Port: 80\r\nX-Forwarded-Proto: http\r\n",
    ),
]


def cookie(name: str, sent: bytes, passed: bytes) -> Row:
    return passes(f"cookies: {name}", "RFC 6265 4.2", request(auth=sent), upstream(passed))


CREDENTIALS = [
    cookie("ours alone", b"Cookie: authorization=%b\r\n" % TOKEN, b""),
    cookie("ours first", b"Cookie: authorization=%b; a=b\r\n" % TOKEN, b"Cookie: a=b\r\n"),
    cookie("ours last", b"Cookie: a=b; authorization=%b\r\n" % TOKEN, b"Cookie: a=b\r\n"),
    cookie("ours between", b"Cookie: a=b;authorization=%b;  c=d\r\n" % TOKEN, b"Cookie: a=b;  c=d\r\n"),
    cookie(
        "others to the byte",
        b'cookie: a="1;2" ;; b = \xe9,{}=[]; authorization=%b; c; =d\r\n' % TOKEN,
        b'cookie: a="1;2" ;; b = \xe9,{}=[]; c; =d\r\n',
    ),
    cookie(
        "names that look like ours",
        b"Cookie: xauthorization=a; Authorization=b; authorization; authorization=%b; authorizationx=c\r\n"
        % TOKEN,
        b"Cookie: xauthorization=a; Authorization=b; authorization; authorizationx=c\r\n",
    ),
    cookie(
        "several of ours, one right",
        b"Cookie: authorization=planted; authorization=%b\r\n" % TOKEN,
        b"",
    ),
    cookie(
        "several fields",
        b"Cookie: a=b\r\nCookie: authorization=%b\r\nCookie: c=d; authorization=planted\r\n" % TOKEN,
        b"Cookie: a=b\r\nCookie: c=d\r\n",
    ),
    cookie("ours in quotes", b'Cookie: authorization="%b"\r\n' % TOKEN, b""),
    cookie("ours percent-encoded", b"Cookie: authorization=%b\r\n" % TOKEN.replace(b"-", b"%2d"), b""),
    passes(
        "a bearer",
        "RFC 6750 2.1",
        request(auth=b"Authorization: Bearer %b\r\n" % TOKEN),
        upstream(),
    ),
    passes(
        "a bearer in other letters",
        "RFC 9110 11.1",
        request(auth=b"authorization: bearer  %b\r\n" % TOKEN),
        upstream(),
    ),
    passes(
        "the application's own bearer",
        "RFC 6750 2.1",
        get(b"Authorization: Bearer other\r\n"),
        upstream(b"Authorization: Bearer other\r\n"),
    ),
    passes(
        "the application's own password",
        "RFC 7617 2",
        get(b"Authorization: Basic YTpi\r\n"),
        upstream(b"Authorization: Basic YTpi\r\n"),
    ),
    passes(
        "the cookie beside our bearer is cut, too",
        "RFC 6750 2.1",
        request(auth=b"Authorization: Bearer %b\r\n" % TOKEN + COOKIE),
        upstream(),
    ),
    refused(
        "our bearer beside another Authorization",
        "RFC 9110 5.3",
        request(auth=COOKIE + b"Authorization: Basic YTpi\r\nAuthorization: Bearer %b\r\n" % TOKEN),
    ),
    refused(
        "several Authorization fields, of which one could be ours",
        "RFC 9110 5.3",
        request(auth=b"Authorization: Bearer %b\r\nAuthorization: Basic YTpi\r\n" % TOKEN),
    ),
    answered("no token", "RFC 9110 15.5.4", request(auth=b""), 403),
    answered("a wrong token", "RFC 9110 15.5.4", request(auth=b"Cookie: authorization=x\r\n"), 403),
    answered("an empty token", "RFC 9110 15.5.4", request(auth=b"Cookie: authorization=\r\n"), 403),
    answered("a wrong bearer", "RFC 9110 15.5.4", request(auth=b"Authorization: Bearer x\r\n"), 403),
    answered("the token as a password", "RFC 9110 15.5.4", request(auth=b"Authorization: Basic x\r\n"), 403),
    answered(
        "no token for an upgrade",
        "RFC 9110 15.5.4",
        request(fields=b"Connection: upgrade\r\nUpgrade: websocket\r\n", auth=b""),
        403,
    ),
    answered(
        "no token for a body: it is not read",
        "9.3",
        request(b"POST / HTTP/1.1", b"Content-Length: 5\r\n", b"hello", auth=b""),
        403,
        is_kept=False,
    ),
]


def origin_row(name: str, fields: bytes, *, is_allowed: bool, line: bytes = b"POST / HTTP/1.1") -> Row:
    sends = request(line, fields)
    if not is_allowed:
        return answered(f"Origin: {name}", "RFC 6454 7", sends, 403)
    sent = fields.replace(b"Connection: upgrade", b"Connection: Upgrade")
    return passes(f"Origin: {name}", "RFC 6454 7", sends, upstream(sent, line))


ORIGINS = [
    origin_row("our own", b"Origin: http://app-alice.test\r\n", is_allowed=True),
    origin_row("our own by HTTPS", b"Origin: https://APP-alice.test\r\n", is_allowed=True),
    origin_row(
        "our own with a port where Host has none", b"Origin: http://app-alice.test:8888\r\n", is_allowed=True
    ),
    origin_row("a neighbour", b"Origin: http://app-bob.test\r\n", is_allowed=False),
    origin_row("the parent", b"Origin: http://test\r\n", is_allowed=False),
    origin_row("null", b"Origin: null\r\n", is_allowed=False),
    origin_row("empty", b"Origin:\r\n", is_allowed=False),
    origin_row("two", b"Origin: http://app-alice.test\r\nOrigin: http://app-alice.test\r\n", is_allowed=False),
    origin_row("another scheme", b"Origin: ftp://app-alice.test\r\n", is_allowed=False),
    origin_row("our own and more", b"Origin: http://app-alice.test.evil.example\r\n", is_allowed=False),
    origin_row("user and host", b"Origin: http://app-alice.test@evil.example\r\n", is_allowed=False),
    origin_row("a path", b"Origin: http://app-alice.test/\r\n", is_allowed=False),
    origin_row(
        "a neighbour that reads", b"Origin: http://app-bob.test\r\n", is_allowed=True, line=b"GET / HTTP/1.1"
    ),
    origin_row(
        "a neighbour that upgrades",
        b"Origin: http://app-bob.test\r\nConnection: upgrade\r\nUpgrade: websocket\r\n",
        is_allowed=False,
        line=b"GET / HTTP/1.1",
    ),
    passes(
        "Origin: a neighbour that shows a bearer",
        "RFC 6454 7",
        request(b"POST / HTTP/1.1", b"Origin: null\r\n", auth=b"Authorization: Bearer %b\r\n" % TOKEN),
        upstream(b"Origin: null\r\n", b"POST / HTTP/1.1"),
    ),
    answered(
        "Origin: another port where both name one",
        "RFC 6454 7",
        request(b"PUT / HTTP/1.1", b"Origin: http://app-alice.test:81\r\n", host=HOST + b":80"),
        403,
    ),
]

OWN_PATHS = [
    answered(f"our own path {path.decode()}", "RFC 3986 6.2.2", get(line=b"GET %b HTTP/1.1" % path), 404)
    for path in [
        b"/_conductor/other",
        b"/_conductor/live",
        b"/_conductor/auth",
        b"/_conductor/auth/",
        b"/_conductor/auth/a/b",
        b"/_conductor/status/",
        b"/%5fconductor/status",
        b"/%5Fconductor/status",
        b"/_c%6fnductor/status",
        b"/_conductor%2fstatus",
        b"//_conductor/status",
        b"/./_conductor/status",
        b"/a/../_conductor/status",
        b"/a/%2e%2E/_conductor/status",
        b"/../_conductor/status",
        b"/\\_conductor\\status",
        b"/%5c_conductor/status",
    ]
]

NOT_OWN_PATHS = [
    passes(
        f"the application's path {path.decode()}",
        "RFC 3986 6.2.2",
        get(line=b"GET %b HTTP/1.1" % path),
        upstream(line=b"GET %b HTTP/1.1" % path),
    )
    for path in [
        b"/_conductorx",
        b"/a/_conductor/status",
        b"/?/_conductor/status",
        b"/_conducto%72s",
        b"/_conductor/../a",
    ]
]

LOGIN = [
    answered(
        "a right login link", "RFC 6265 4.1", request(b"GET /_conductor/auth/%b HTTP/1.1" % TOKEN, auth=b""), 302
    ),
    answered("a wrong login link", "RFC 9110 15.5.4", request(b"GET /_conductor/auth/x HTTP/1.1", auth=b""), 403),
    answered(
        "a login link to HEAD", "RFC 9110 9.3.2", get(line=b"HEAD /_conductor/auth/%b HTTP/1.1" % TOKEN), 302
    ),
    answered(
        "a login link to POST", "RFC 9110 15.5.6", get(line=b"POST /_conductor/auth/%b HTTP/1.1" % TOKEN), 405
    ),
    answered(
        "a login link without a route",
        "RFC 9110 7.4",
        request(b"GET /_conductor/auth/x HTTP/1.1", host=b"none-alice.test"),
        404,
    ),
    answered("the counters", "RFC 9110 15.3.1", request(b"GET /_conductor/status HTTP/1.1", auth=b""), 200),
    answered(
        "the counters at any host",
        "RFC 9110 15.3.1",
        request(b"GET /_conductor/status?x HTTP/1.1", host=b"127.0.0.1:8888", auth=b""),
        200,
    ),
    answered("DELETE of the counters", "RFC 9110 15.5.6", get(line=b"DELETE /_conductor/status HTTP/1.1"), 405),
]

RESPONSES = [
    returns("Content-Length", "6.2", OK, OK),
    returns(
        "names, values, order and bytes stay",
        "RFC 9110 5",
        b"HTTP/1.1 299 \xe9 fine\t!\r\nX-b: 1\r\nx-B:  2 \r\nX-Empty:\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 299 \xe9 fine\t!\r\nX-b: 1\r\nx-B: 2\r\nX-Empty: \r\nContent-Length: 0\r\n\r\n",
    ),
    returns(
        "no reason",
        "4",
        b"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n",
    ),
    returns(
        "a chunked body is framed anew",
        "7.1",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nfoo\r\n03\r\nbar\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nfoobar\r\n0\r\n\r\n",
    ),
    returns(
        "trailers",
        "7.1.2",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-A\r\n\r\n"
        b"0\r\nX-A: b\r\nSet-Cookie: authorization=x\r\nContent-Length: 1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTrailer: X-A\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX-A: b\r\n\r\n",
    ),
    returns(
        "a body to HTTP/1.0 that stays",
        "9.3",
        OK,
        OK.replace(b"\r\n\r\n", b"\r\nConnection: keep-alive\r\n\r\n"),
        sends=HTTP10_KEPT,
    ),
    returns(
        "a body to HTTP/1.0",
        "9.3",
        OK,
        OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"),
        sends=HTTP10,
        is_kept=False,
    ),
    returns(
        "a chunked body to HTTP/1.0",
        "6.3",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nfoo\r\n0\r\nX-A: b\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nfoo",
        sends=HTTP10_KEPT,
        is_kept=False,
    ),
    returns(
        "the application's own close",
        "9.6",
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
        OK,
    ),
    returns(
        "hop-by-hop fields",
        "RFC 9110 7.6.1",
        b"HTTP/1.1 200 OK\r\nConnection: X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\n"
        b"Proxy-Authenticate: Basic\r\nProxy-Connection: x\r\n"
        b"Upgrade: h2c\r\nTE: x\r\nX-End: 2\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nX-End: 2\r\nContent-Length: 2\r\n\r\nok",
    ),
    returns(
        "Connection cannot name the framing",
        "RFC 9110 7.6.1",
        b"HTTP/1.1 200 OK\r\nConnection: Content-Length\r\nContent-Length: 2\r\n\r\nok",
        OK,
    ),
    returns(
        "nobody but us sets our cookie",
        "RFC 6265 5.2",
        b"HTTP/1.1 200 OK\r\nSet-Cookie: authorization=x; Path=/\r\nSet-Cookie:authorization =x; Domain=test\r\n"
        b"set-cookie: authorization\r\nSet-Cookie: =authorization=x\r\nSet-Cookie: authorization=\r\n"
        b"Set-Cookie: a=authorization=x\r\nSet-Cookie: authorizations=x\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nSet-Cookie: a=authorization=x\r\nSet-Cookie: authorizations=x\r\n"
        b"Content-Length: 2\r\n\r\nok",
    ),
    returns(
        "HEAD",
        "RFC 9110 9.3.2",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n",
        sends=get(line=b"HEAD / HTTP/1.1"),
    ),
    returns(
        "HEAD of what would be chunked",
        "RFC 9110 9.3.2",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n",
        sends=get(line=b"HEAD / HTTP/1.1"),
    ),
    returns("204", "6.3", NO_CONTENT, NO_CONTENT),
    returns("204 with a length", "6.3", b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", NO_CONTENT),
    returns(
        "204 with a length to HEAD",
        "RFC 9110 8.6",
        b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n",
        NO_CONTENT,
        sends=get(line=b"HEAD / HTTP/1.1"),
    ),
    returns(
        "304 with the length of what it stands for",
        "RFC 9110 15.4.5",
        b'HTTP/1.1 304 Not Modified\r\nETag: "x"\r\nContent-Length: 1000\r\n\r\n',
        b'HTTP/1.1 304 Not Modified\r\nETag: "x"\r\nContent-Length: 1000\r\n\r\n',
    ),
    returns(
        "surplus bytes are dropped",
        "9.2",
        OK + b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison",
        OK,
    ),
    returns(
        "a body where there is none is dropped",
        "6.3",
        b"HTTP/1.1 304 Not Modified\r\n\r\nsurplus",
        b"HTTP/1.1 304 Not Modified\r\n\r\n",
    ),
    returns(
        "103 and 102",
        "RFC 9110 15.2",
        b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nSet-Cookie: authorization=x\r\nConnection: X-A\r\nX-A: b\r\n"
        b"\r\nHTTP/1.1 102 Processing\r\n\r\n" + OK,
        b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n" + OK,
    ),
    returns(
        "interim responses to HTTP/1.0",
        "RFC 9110 15.2",
        b"HTTP/1.1 103 Early Hints\r\n\r\n" + OK,
        OK.replace(b"\r\n\r\n", b"\r\nConnection: keep-alive\r\n\r\n"),
        sends=HTTP10_KEPT,
    ),
    returns(
        "HTTP/1.0 from the application",
        "2.3",
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
        OK,
    ),
    returns("a status of its own", "4", OK.replace(b"200", b"799"), OK.replace(b"200", b"799")),
]

MALFORMED_RESPONSES = [
    *[
        broken(f"malformed response {answer[:60]!r}", clause, answer)
        for clause, answer in [
            ("4", b"ICY 200 OK\r\n\r\n"),
            ("4", b"HTTP/1.1 20 OK\r\n\r\n"),
            ("4", b"HTTP/1.1 2000 OK\r\n\r\n"),
            ("4", b"HTTP/1.1 099 OK\r\n\r\n"),
            ("4", b"HTTP/1.1  200 OK\r\n\r\n"),
            ("4", b"HTTP/2.0 200 OK\r\n\r\n"),
            ("4", b"\r\nHTTP/1.1 200 OK\r\n\r\n"),
            ("4", b"HTTP/1.1 200 O\x00K\r\n\r\n"),
            ("2.2", b"HTTP/1.1 200 OK\nContent-Length: 0\n\n"),
            ("2.2", b"HTTP/1.1 200 OK\r\nA: b\rC: d\r\n\r\n"),
            ("5.1", b"HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\nok"),
            ("5.2", b"HTTP/1.1 200 OK\r\nA: b\r\n c\r\nContent-Length: 2\r\n\r\nok"),
            ("5", b"HTTP/1.1 200 OK\r\nA: \x01\r\n\r\n"),
            ("5", b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n"),
            ("6.3", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok"),
            ("6.3", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok"),
            ("6.3", b"HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nok"),
            ("6.3", b"HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nok"),
            ("6.3", b"HTTP/1.1 204 OK\r\nContent-Length: x\r\n\r\n"),
            ("6.1", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
            ("6.1", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n"),
            ("6.1", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
            (
                "6.1",
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            ),
            ("6.1", b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
            ("5.4", b"HTTP/1.1 200 OK\r\nA: " + b"b" * 66000 + b"\r\n\r\n"),
            ("5.4", b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 101 + b"\r\n"),
        ]
    ],
    broken(
        "101 without a question",
        "RFC 9110 15.2.2",
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
    ),
]

ROWS = [
    *TARGETS,
    *LINES,
    *HOSTS,
    *FIELDS,
    *BODIES,
    *HOP_BY_HOP,
    *TRUSTED,
    *CREDENTIALS,
    *ORIGINS,
    *OWN_PATHS,
    *NOT_OWN_PATHS,
    *LOGIN,
    *RESPONSES,
    *MALFORMED_RESPONSES,
]


def unordered(message: Message) -> Message:
    """Return a message with its fields sorted: the order of different names says nothing (RFC 9110 5.3)."""
    return attrs.evolve(message, fields=tuple(sorted(message.fields)))


def unordered_head(data: bytes) -> list[bytes]:
    """Return the lines of a response's heads, sorted, without Date, and its body."""
    lines: list[bytes] = []
    while True:
        head, _, data = data.partition(b"\r\n\r\n")
        status, *fields = head.split(b"\r\n")
        lines += [status, *sorted(field for field in fields if not field.startswith(b"Date: "))]
        if not status.startswith(b"HTTP/1.1 1"):
            return [*lines, data]


@pytest.mark.parametrize("watch_delay", [float("inf"), 0], ids=["at-once", "watched"])
@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.clause} {row.name}"[:80])
async def test_row(row: Row, watch_delay: float, short_tmp: Path) -> None:
    application = Application(answer=row.answer)
    method = row.sends.lstrip(b"\r\n ").partition(b" ")[0]
    async with open_engine(short_tmp, application, limits=ServerLimits(watch_delay=watch_delay)) as engine:
        visitor = engine.connect(unix=row.unix)
        await visitor.send(row.sends)
        response = await visitor.receive_response(b"HEAD" if method == b"HEAD" else b"GET")
        assert response.status == row.status
        if row.shows is not None:
            assert unordered_head(response.raw) == unordered_head(row.shows)
        if row.is_kept:
            await visitor.send(request(b"OPTIONS * HTTP/1.1"))
            assert (await visitor.receive_response()).status == 200
            await visitor.send_eof()
        elif response.body or method == b"HEAD":
            assert response.values(b"connection") == [b"close"]
        await visitor.wait_closed()
        received = [parse_strictly(bytes(connection.received)) for connection in engine.origin.connections]
    expected = [] if row.reaches is None else [[unordered(take_message(row.reaches)[0])]]
    assert [[unordered(message) for message in messages] for messages in received] == expected
