"""Tokens, origins, the paths of our own, and logging in."""

from __future__ import annotations

from pathlib import Path

from tests.support.conformance import (
    Row,
    answered,
    by_row,
    check_row,
    get,
    passes,
    refused,
    upstream,
)
from tests.support.engine import COOKIE, HOST, TOKEN, request


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
    origin_row("our own with its scheme's port", b"Origin: http://app-alice.test:80\r\n", is_allowed=True),
    origin_row("another port where Host has none", b"Origin: http://app-alice.test:8888\r\n", is_allowed=False),
    origin_row("a neighbour", b"Origin: http://app-bob.test\r\n", is_allowed=False),
    origin_row("the parent", b"Origin: http://test\r\n", is_allowed=False),
    origin_row("null", b"Origin: null\r\n", is_allowed=False),
    origin_row("null of our own", b"Origin: null\r\nSec-Fetch-Site: same-origin\r\n", is_allowed=True),
    origin_row("null of a neighbour", b"Origin: null\r\nSec-Fetch-Site: same-site\r\n", is_allowed=False),
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


def metadata_row(name: str, values: tuple[bytes, bytes, bytes], *, is_allowed: bool) -> Row:
    fields = b"Sec-Fetch-Site: %b\r\nSec-Fetch-Mode: %b\r\nSec-Fetch-Dest: %b\r\n" % values
    if not is_allowed:
        return answered(f"Fetch Metadata: {name}", "Fetch Metadata 2", get(fields), 403)
    return passes(f"Fetch Metadata: {name}", "Fetch Metadata 2", get(fields), upstream(fields))


METADATA = [
    metadata_row("our own script", (b"same-origin", b"no-cors", b"script"), is_allowed=True),
    metadata_row("the address bar", (b"none", b"navigate", b"document"), is_allowed=True),
    metadata_row("a link elsewhere", (b"cross-site", b"navigate", b"document"), is_allowed=True),
    metadata_row("a neighbour's link", (b"same-site", b"navigate", b"document"), is_allowed=True),
    metadata_row("a neighbour's script", (b"same-site", b"no-cors", b"script"), is_allowed=False),
    metadata_row("a neighbour's image", (b"same-site", b"no-cors", b"image"), is_allowed=False),
    metadata_row("a neighbour's frame", (b"same-site", b"navigate", b"iframe"), is_allowed=False),
    metadata_row("a neighbour's fetch", (b"same-site", b"cors", b"empty"), is_allowed=False),
    metadata_row("another site's frame", (b"cross-site", b"navigate", b"iframe"), is_allowed=False),
    passes(
        "Fetch Metadata: a neighbour that shows a bearer",
        "Fetch Metadata 2",
        request(fields=b"Sec-Fetch-Site: same-site\r\n", auth=b"Authorization: Bearer %b\r\n" % TOKEN),
        upstream(b"Sec-Fetch-Site: same-site\r\n"),
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


@by_row([*CREDENTIALS, *ORIGINS, *METADATA, *OWN_PATHS, *NOT_OWN_PATHS, *LOGIN])
async def test_row(row: Row, watch_delay: float, short_tmp: Path) -> None:
    await check_row(row, watch_delay, short_tmp)
