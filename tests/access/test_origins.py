"""Where requests come from: the Origin field and Fetch Metadata, by tables of what browsers send."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conductor_trio.access.origins import (
    Policy,
    comes_from_here,
    format_origin,
    is_own_part,
    may_be_whole_tab,
    may_use_cookie,
    parse_origin,
)
from conductor_trio.http1.request import RequestHead
from tests.support.heads import parse_request_head

PORTAL = Policy(allowed_origins=frozenset([b"https://portal.test"]))
NAVIGATION = b"Sec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\n"


def make_head(fields: bytes, *, host: bytes = b"x.test", method: bytes = b"POST") -> RequestHead:
    return parse_request_head(b"%b / HTTP/1.1\r\nHost: %b\r\n%b\r\n" % (method, host, fields), max_fields=100)


@pytest.mark.parametrize(
    ("origin", "host", "by_http", "by_https"),
    [
        (b"http://x.test", b"x.test", True, False),
        (b"http://x.test", b"x.test:80", True, False),
        (b"http://x.test:80", b"x.test", True, False),
        (b"http://x.test:8080", b"x.test:8080", True, False),
        (b"http://x.test:8080", b"x.test", False, False),  # another port, which anybody at the gateway can open
        (b"http://x.test", b"x.test:8080", False, False),
        (b"http://x.test:8080", b"x.test:8081", False, False),
        (b"https://x.test", b"x.test", True, True),
        (b"https://x.test", b"x.test:443", True, True),
        (b"https://x.test:443", b"x.test", True, True),
        (b"https://x.test:8443", b"x.test:8443", True, True),
        (b"https://x.test:8443", b"x.test", False, False),
        (b"https://x.test", b"x.test:8443", False, False),
        (b"https://x.test", b"x.test:80", False, False),
        (b"HTTPS://X.Test", b"x.tEst.", True, True),
        (b"https://y.test", b"x.test", False, False),
        (b"ftp://x.test", b"x.test", False, False),
        (b"https://x.test/", b"x.test", False, False),
        (b"https://x.test?", b"x.test", True, True),  # which urlsplit takes for nothing, and no browser sends
        (b"https://x.test@evil.test", b"x.test", False, False),
        (b"https://x.test:0", b"x.test", False, False),
        (b"", b"x.test", False, False),
        (b"https://portal.test", b"x.test", True, True),
        (b"http://portal.test", b"x.test", False, False),
        (b"https://portal.test:8443", b"x.test", False, False),
    ],
)
def test_an_origin_is_scheme_host_and_port(origin: bytes, host: bytes, by_http: bool, by_https: bool) -> None:
    head = make_head(b"Origin: " + origin + b"\r\n", host=host)
    assert comes_from_here(head, PORTAL, https=False) is by_http
    assert comes_from_here(head, PORTAL, https=True) is by_https


@pytest.mark.parametrize(
    ("fields", "passes"),
    [
        (b"Origin: null\r\nSec-Fetch-Site: same-origin\r\n", True),
        (b"Origin: null\r\nSec-Fetch-Site: same-site\r\n", False),
        (b"Origin: null\r\nSec-Fetch-Site: cross-site\r\n", False),
        (b"Origin: null\r\nSec-Fetch-Site: none\r\n", False),
        (b"Origin: null\r\nSec-Fetch-Site: same-origin\r\nSec-Fetch-Site: same-origin\r\n", False),
        (b"Origin: null\r\n", False),
        (b"Origin: null\r\nOrigin: null\r\nSec-Fetch-Site: same-origin\r\n", False),
        (b"Origin: https://x.test:8443\r\nSec-Fetch-Site: same-origin\r\n", True),  # the port is lost on the way
        (b"Origin: https://x.test:8443\r\nSec-Fetch-Site: same-site\r\n", False),
        (b"Origin: http://x.test\r\nSec-Fetch-Site: same-origin\r\n", False),
        (b"Origin: https://y.test\r\nSec-Fetch-Site: same-origin\r\n", False),
        (b"", True),
        (b"Sec-Fetch-Site: none\r\n", True),
        (b"Sec-Fetch-Site: same-origin\r\n", True),
        (b"Sec-Fetch-Site: same-site\r\n", False),
        (b"Sec-Fetch-Site: cross-site\r\n", False),
    ],
)
def test_what_the_browser_says_settles_what_the_origin_does_not(fields: bytes, passes: bool) -> None:
    assert comes_from_here(make_head(fields), PORTAL, https=True) is passes


@pytest.mark.parametrize("site", [b"same-site", b"cross-site", b"other-site", b"same-origin, same-origin", b""])
@pytest.mark.parametrize(
    ("method", "fields", "passes"),
    [
        (b"GET", NAVIGATION, True),
        (b"HEAD", NAVIGATION, True),
        (b"POST", NAVIGATION, False),
        (b"OPTIONS", NAVIGATION, False),
        (b"GET", b"Sec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: iframe\r\n", False),
        (b"GET", b"Sec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: object\r\n", False),
        (b"GET", b"Sec-Fetch-Mode: navigate\r\n", False),
        (b"GET", b"Sec-Fetch-Mode: no-cors\r\nSec-Fetch-Dest: script\r\n", False),
        (b"GET", b"Sec-Fetch-Mode: no-cors\r\nSec-Fetch-Dest: image\r\n", False),
        (b"GET", b"Sec-Fetch-Mode: no-cors\r\nSec-Fetch-Dest: document\r\n", False),
        (b"GET", b"Sec-Fetch-Mode: cors\r\nSec-Fetch-Dest: empty\r\n", False),
        (b"GET", b"Sec-Fetch-Mode: websocket\r\nSec-Fetch-Dest: empty\r\n", False),
        (b"GET", b"", False),
        (b"PUT", b"Origin: https://portal.test\r\nSec-Fetch-Mode: cors\r\n", True),
        (b"PUT", b"Origin: https://evil.test\r\nSec-Fetch-Mode: cors\r\n", False),
        (b"PUT", b"Origin: https://evil.test\r\nReferer: https://portal.test/\r\n", False),
        (b"GET", b"Referer: https://portal.test/apps?a=1\r\nSec-Fetch-Dest: iframe\r\n", True),
        (b"GET", b"Referer: https://portal.test.evil.test/\r\nSec-Fetch-Dest: iframe\r\n", False),
        (b"GET", b"Referer: https://evil.test/https://portal.test/\r\n", False),
        (b"GET", b"Referer: https://portal.test/\r\nReferer: https://portal.test/\r\n", False),
        (b"GET", b"Referer: http://[\r\n", False),
        (b"GET", b"Referer: \xff\r\n", False),
    ],
)
def test_what_another_page_may_use_the_cookie_for(site: bytes, method: bytes, fields: bytes, passes: bool) -> None:
    head = make_head(b"Sec-Fetch-Site: " + site + b"\r\n" + fields, method=method)
    assert may_use_cookie(head, PORTAL) is passes


@pytest.mark.parametrize("site", [b"", b"Sec-Fetch-Site: same-origin\r\n", b"Sec-Fetch-Site: none\r\n"])
@pytest.mark.parametrize("method", [b"GET", b"POST"])
@pytest.mark.parametrize("fields", [b"", NAVIGATION, b"Sec-Fetch-Mode: no-cors\r\nSec-Fetch-Dest: script\r\n"])
def test_the_own_page_and_a_browser_without_a_word_use_the_cookie(
    site: bytes, method: bytes, fields: bytes
) -> None:
    assert may_use_cookie(make_head(site + fields, method=method), PORTAL)


@pytest.mark.parametrize(
    ("fields", "passes"),
    [
        (b"", False),  # as of a neighbour's page that sends no referrer
        (b"Referer: https://x.test/a?b\r\n", True),
        (b"Referer: https://evil.test/\r\n", False),
        (b"Referer: https://x.test:8443/\r\n", False),
        (b"Referer: https://portal.test/\r\n", True),
    ],
)
@pytest.mark.parametrize("purpose", [b"prefetch", b"prefetch;prerender"])
def test_what_is_asked_ahead_is_asked_by_a_page(fields: bytes, passes: bool, purpose: bytes) -> None:
    told = b"Sec-Fetch-Site: none\r\n" + NAVIGATION + b"Sec-Purpose: " + purpose + b"\r\n"
    assert may_use_cookie(make_head(told + fields, method=b"GET"), PORTAL) is passes


@pytest.mark.parametrize(
    ("fields", "may_be"),
    [
        (b"", True),
        (NAVIGATION, True),
        (NAVIGATION + b"Service-Worker-Navigation-Preload: true\r\n", False),
        (b"Sec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: empty\r\n", False),
        (b"Sec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: iframe\r\n", False),
        (b"Sec-Fetch-Mode: cors\r\nSec-Fetch-Dest: empty\r\n", False),
        (b"Sec-Fetch-Mode: same-origin\r\nSec-Fetch-Dest: document\r\n", False),
        (NAVIGATION + NAVIGATION, False),
        (NAVIGATION + b"Sec-Purpose: prefetch\r\n", False),
    ],
)
def test_what_is_shown_in_a_tab_of_its_own(fields: bytes, may_be: bool) -> None:
    assert may_be_whole_tab(make_head(fields, method=b"GET")) is may_be


@pytest.mark.parametrize(
    ("site", "mode", "is_part"),
    [
        (b"same-origin", b"cors", True),
        (b"same-origin", b"no-cors", True),
        (b"same-origin", b"navigate", False),
        (b"same-site", b"cors", False),
        (b"cross-site", b"no-cors", False),
        (b"none", b"no-cors", False),
    ],
)
def test_what_a_page_asks_for_of_itself(site: bytes, mode: bytes, is_part: bool) -> None:
    fields = b"Sec-Fetch-Site: %b\r\nSec-Fetch-Mode: %b\r\n" % (site, mode)
    assert is_own_part(make_head(fields, method=b"GET")) is is_part
    assert not is_own_part(make_head(b"Sec-Fetch-Site: same-origin\r\n", method=b"GET"))


@given(st.binary())
def test_any_value_is_an_origin_or_none(value: bytes) -> None:
    origin = parse_origin(value)
    if origin is not None:
        assert origin.host and 0 < origin.port < 65536
        assert parse_origin(format_origin(origin).encode()) == origin
