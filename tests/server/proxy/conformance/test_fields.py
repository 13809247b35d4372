"""Field lines, hop-by-hop fields, and what a trusted proxy says of the visitor."""

from __future__ import annotations

from pathlib import Path

import attrs

from tests.support.conformance import (
    Row,
    by_row,
    check_row,
    get,
    passes,
    post,
    refused,
    upstream,
)
from tests.support.engine import request

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


@by_row([*FIELDS, *HOP_BY_HOP, *TRUSTED])
async def test_row(row: Row, watch_delay: float, short_tmp: Path) -> None:
    await check_row(row, watch_delay, short_tmp)
