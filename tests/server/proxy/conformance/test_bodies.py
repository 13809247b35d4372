"""Request bodies: their framing, and what is no framing."""

from __future__ import annotations

from pathlib import Path

from tests.support.conformance import (
    Row,
    by_row,
    check_row,
    chunked,
    get,
    passes,
    post,
    refused,
    upstream,
)
from tests.support.engine import request

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


@by_row(BODIES)
async def test_row(row: Row, watch_delay: float, short_tmp: Path) -> None:
    await check_row(row, watch_delay, short_tmp)
