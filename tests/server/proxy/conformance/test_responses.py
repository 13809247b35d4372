"""Applications' answers: what the visitor gets of them, and what becomes a 502."""

from __future__ import annotations

from pathlib import Path

from tests.support.conformance import (
    HTTP10,
    HTTP10_KEPT,
    Row,
    broken,
    by_row,
    check_row,
    get,
    returns,
)
from tests.support.engine import OK

NO_CONTENT = b"HTTP/1.1 204 No Content\r\n\r\n"

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
            ("4", b"HTTP/1.1\t200 OK\r\n\r\n"),
            ("4", b"HTTP/2.0 200 OK\r\n\r\n"),
            ("4", b"\r\nHTTP/1.1 200 OK\r\n\r\n"),
            ("4", b"HTTP/1.1 200 O\x00K\r\n\r\n"),
            ("2.2", b"HTTP/1.1 200 OK\r\nA: b\rC: d\r\n\r\n"),
            ("5.1", b"HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\nok"),
            ("5.2", b"HTTP/1.1 200 OK\r\n A: b\r\nContent-Length: 2\r\n\r\nok"),
            ("5", b"HTTP/1.1 200 OK\r\nA: \x00\r\n\r\n"),
            ("5", b"HTTP/1.1 200 OK\r\nContent-Length: 2\x01\r\n\r\nok"),
            ("5", b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n"),
            ("6.3", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok"),
            ("6.3", b"HTTP/1.1 200 OK\r\nContent-Length: 2, 3\r\n\r\nok"),
            ("6.3", b"HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nok"),
            ("6.3", b"HTTP/1.1 204 OK\r\nContent-Length: x\r\n\r\n"),
            ("6.1", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n"),
            ("6.1", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
            (
                "6.1",
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            ),
            ("6.1", b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
            ("5.4", b"HTTP/1.1 200 OK\r\nA: " + b"b" * 66000 + b"\r\n\r\n"),
            ("5.4", b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 11000 + b"\r\n"),
        ]
    ],
    broken(
        "101 without a question",
        "RFC 9110 15.2.2",
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
    ),
]

CHUNKED_OK = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"

#: Not strict, and beyond doubt: read as nginx and HAProxy read it, and written strictly.
SLOPPY_RESPONSES = [
    returns("bare LF", "2.2", OK.replace(b"\r\n", b"\n"), OK),
    returns("bare LF beside CRLF", "2.2", OK.replace(b"OK\r\n", b"OK\n"), OK),
    returns("bare LF in a chunked body", "2.2", CHUNKED_OK.replace(b"\r\n", b"\n"), CHUNKED_OK),
    returns(
        "white space and zeros around a chunk's size",
        "7.1.1",
        CHUNKED_OK.replace(b"2\r\n", b"%b2 ;a=b\r\n" % (b"0" * 30)).replace(b"0\r\n\r", b"0 \t\r\n\r"),
        CHUNKED_OK,
    ),
    returns("a length twice", "6.3", OK.replace(b"\r\n\r", b"\r\ncontent-length: 2\r\n\r"), OK),
    returns("a list of one length", "6.3", OK.replace(b" 2\r\n", b" 2, 2\r\n"), OK),
    returns(
        "a length twice to HEAD",
        "6.3",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nContent-Length: 9\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n",
        sends=get(line=b"HEAD / HTTP/1.1"),
    ),
    returns(
        "a length beside chunked", "6.3", CHUNKED_OK.replace(b"\r\nT", b"\r\nContent-Length: 9\r\nT"), CHUNKED_OK
    ),
    returns("identity", "6.1", OK.replace(b"\r\n\r", b"\r\nTransfer-Encoding: identity\r\n\r"), OK),
    returns("identity and chunked", "6.1", CHUNKED_OK.replace(b"chunked", b"identity, chunked"), CHUNKED_OK),
    returns(
        "120 fields",
        "5.4",
        OK.replace(b"\r\nC", b"\r\n" + b"A: b\r\n" * 120 + b"C"),
        OK.replace(b"\r\nC", b"\r\n" + b"A: b\r\n" * 120 + b"C"),
    ),
    returns(
        "control characters",
        "RFC 9110 5.5",
        OK.replace(b"OK\r\n", b"O\x01K\r\nA: b\x0bc\x7f\r\n"),
        OK.replace(b"OK\r\n", b"O K\r\nA: b c\r\n"),
    ),
    returns(
        "a folded line",
        "5.2",
        OK.replace(b"OK\r\n", b"OK\r\nA: b\r\n\tc\r\n"),
        OK.replace(b"OK\r\n", b"OK\r\nA: b c\r\n"),
    ),
]


@by_row([*RESPONSES, *SLOPPY_RESPONSES, *MALFORMED_RESPONSES])
async def test_row(row: Row, watch_delay: float, short_tmp: Path) -> None:
    await check_row(row, watch_delay, short_tmp)
