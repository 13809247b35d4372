"""Cookies that others planted: when they are in the way, and what a browser is told to forget."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from conductor_trio.access.planted_cookies import (
    forget_large,
    forget_planted,
    is_crowded,
    read_cookie_bomb,
)
from conductor_trio.http1.request import RequestHead
from conductor_trio.limits.constants import MANY_COOKIES, MAX_FORGETTING
from tests.support.heads import parse_request_head

HOST = b"lab-alice.apps.example.org"
LARGE = b"x" * 4000


def request(cookies: bytes, target: bytes = b"/", host: bytes = HOST) -> RequestHead:
    head = b"POST " + target + b" HTTP/1.1\r\nHost: " + host + b"\r\nCookie: " + cookies + b"\r\n\r\n"
    return parse_request_head(head, max_fields=9)


def bomb(cookies: bytes, target: bytes = b"/", fields: bytes = b"") -> bytes:
    line = b"GET " + target + b" HTTP/1.1\r\n"
    return line + b"Host: " + HOST + b":8443\r\nAccept: Text/HTML\r\n" + fields + b"Cookie: " + cookies


def many(count: int) -> bytes:
    return b"; ".join(b"a%d=x" % number for number in range(count))


def names_of(forgetting: tuple[bytes, ...]) -> set[bytes]:
    return {value.partition(b"=")[0] for value in forgetting}


def test_as_many_as_a_browser_keeps_are_a_crowd() -> None:
    assert not is_crowded(request(many(MANY_COOKIES - 1)))
    assert is_crowded(request(many(MANY_COOKIES)))
    # Those of our name are planted, too, where none of them is right.
    assert is_crowded(request(b"; ".join([b"authorization=x"] * MANY_COOKIES)))
    assert not is_crowded(parse_request_head(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", max_fields=9))


def test_what_is_for_a_domain_above_is_forgotten_and_the_hosts_own_spared() -> None:
    forgetting = forget_planted(request(b"planted=x; authorization=evil; authorization=t0ken"), https=True)
    assert forgetting == tuple(
        name + b"=; Max-Age=0; Domain=" + domain + b"; Path=/; Secure"
        for name in (b"authorization", b"planted")
        for domain in (b"apps.example.org", b"example.org")
    )


def test_over_plain_http_nothing_is_marked_secure() -> None:
    assert all(b"Secure" not in value for value in forget_planted(request(b"a=b"), https=False))
    assert all(b"Secure" not in value for value in forget_large(request(b"a=" + LARGE), https=False))


def test_a_host_without_a_parent_has_nothing_planted() -> None:
    for host in (b"localhost", b"lab-alice.localhost"):
        assert forget_planted(request(b"a=b", host=host), https=True) == ()


def test_large_cookies_are_forgotten_wherever_they_are_from() -> None:
    forgetting = forget_large(request(b"small=x; large=" + LARGE, b"/tree/a?b=/c"), https=True)
    assert names_of(forgetting) == {b"large"}
    places = {value.partition(b"; Max-Age=0")[2] for value in forgetting}
    for path in (b"/", b"/tree", b"/tree/", b"/tree/a"):
        for domain in (b"", b"; Domain=" + HOST, b"; Domain=apps.example.org", b"; Domain=example.org"):
            for kept_apart in (b"", b"; Partitioned"):
                assert domain + b"; Path=" + path + kept_apart + b"; Secure" in places


def test_of_our_own_name_only_what_is_for_a_domain_above_is_forgotten() -> None:
    forgetting = forget_large(
        request(b"authorization=" + LARGE + b"; __Host-authorization=" + LARGE), https=True
    ) or read_cookie_bomb(bomb(b"authorization=" + LARGE)).forget(https=True)  # type: ignore[union-attr]
    assert names_of(forgetting) == {b"authorization"}
    assert all(b"; Domain=" in value and b"; Domain=" + HOST not in value for value in forgetting)


def test_as_many_are_forgotten_as_fit_and_the_largest_first() -> None:
    cookies = [b"%d=" % number + b"x" * (300 + number) for number in range(180)]
    forgetting = forget_large(request(b"; ".join(cookies)), https=True)
    assert 0 < sum(map(len, forgetting)) <= MAX_FORGETTING
    assert b"179" in names_of(forgetting) and b"0" not in names_of(forgetting)
    # Something always is, so that it comes to an end, and never more than a browser takes.
    long_named = b"; ".join(b"%d" % number + b"n" * 4000 + b"=x" for number in range(9))
    forgetting = forget_large(request(long_named, b"/a/b/c/d/e/f/g/h"), https=True)
    assert len(names_of(forgetting)) == 1 and sum(map(len, forgetting)) <= MAX_FORGETTING
    assert b"; Domain=apps.example.org; Path=/;" in forgetting[0]


@pytest.mark.parametrize(("pair", "forgotten"), [(b"x" * 300, b"=x"), (b"=" + b"x" * 300, b"=x")])
def test_a_cookie_without_a_name_is_forgotten(pair: bytes, forgotten: bytes) -> None:
    assert all(value.startswith(forgotten + b"; Max-Age=0") for value in forget_large(request(pair), https=True))


def test_a_head_that_its_cookies_make_too_large_is_read_as_far_as_it_came() -> None:
    data = bomb(b"; ".join(b"b%d=" % number + LARGE for number in range(20)), b"/lab?x=y")[:65536]
    found = read_cookie_bomb(data)
    assert found is not None
    assert (found.host, found.path, found.accept, found.says_https) == (HOST, b"/lab", b"text/html", False)
    assert b"b0" in names_of(found.forget(https=True))
    forwarded = read_cookie_bomb(bomb(LARGE, fields=b"X-Forwarded-Proto: https\r\n"))
    assert forwarded is not None and forwarded.says_https


@pytest.mark.parametrize(
    "data",
    [
        bomb(b"a=b", fields=b"X: " + b"x" * 70000 + b"\r\n"),
        b"GET / HTTP/1.1\r\nCookie: a=" + LARGE,
        b"GET / HTTP/1.1\r\nHost: a b\r\nCookie: a=" + LARGE,
        b"GET http://other/ HTTP/1.1\r\nHost: x\r\nCookie: a=" + LARGE,
        b"no request",
        b"",
    ],
)
def test_what_is_no_browsers_request_with_large_cookies(data: bytes) -> None:
    assert read_cookie_bomb(data) is None


@given(st.binary(max_size=400), st.binary(max_size=40))
@example(b"a\nSet-Cookie: b=" + b"x" * 300, b"/a\rb;c")
def test_nothing_that_is_forgotten_ends_a_field(cookies: bytes, path: bytes) -> None:
    found = read_cookie_bomb(b"GET /" + path + b" HTTP/1.1\r\nHost: x.y.z\r\nCookie: " + cookies + b"=" + LARGE)
    for value in found.forget(https=True) if found else ():
        assert not set(value) & {0, 10, 13}
        assert value.count(b";") == len(value.split(b"; ")) - 1
