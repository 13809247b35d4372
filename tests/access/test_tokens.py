"""A token is found however it is shown, compared in constant time; a login link never leads off its host."""

from __future__ import annotations

import hmac
import re
from collections.abc import Iterable
from hashlib import blake2b
from urllib.parse import quote_from_bytes, urljoin, urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from conductor_trio.access.grants import OWNER, Access
from conductor_trio.access.login_link import (
    LOGIN_PREFIX,
    LoginLink,
    parse_login_link,
    safe_redirect_target,
)
from conductor_trio.access.tokens import (
    EMPTY_TOKEN_HASH,
    TokenHash,
    cookie_candidates,
    cookie_value,
    hash_token,
    is_token_hash,
)


def matches_any(candidates: Iterable[bytes], token_hash: TokenHash) -> bool:
    """Whether one of the tokens shown is the owner's."""
    return Access(owner_hash=token_hash).find(candidates, 0.0) == OWNER


HERE = "https://lab-alice.apps.example.org"


def resolve_as_browser(location: str) -> str:
    """Return the host that a browser goes to from a page of HERE (WHATWG URL, the parts where urllib differs).

    Browsers strip controls and spaces at the ends, drop tabs and newlines anywhere, and take \\ for /.
    """
    cleaned = re.sub(r"[\t\r\n]", "", location.strip("".join(map(chr, range(33))))).replace("\\", "/")
    return urlsplit(urljoin(HERE + "/_conductor/auth/x", cleaned)).netloc


@pytest.mark.parametrize(
    "where",
    [
        "",
        "lab",
        "//evil.example",
        "///evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "\\/evil.example",
        "/\t/evil.example",
        "/\n/evil.example",
        "/\r/evil.example",
        "\t//evil.example",
        " //evil.example",
        "\x00//evil.example",
        "/ok\x00",
        "/ok\r\nSet-Cookie: a=b",
        "/ok\x7f",
        "http://evil.example",
        "https:evil.example",
        "https:/evil.example",
        "javascript:alert(1)",
        "data:text/html,x",
        "?next=//evil.example",
        "#//evil.example",
        "@evil.example",
        ".evil.example",
        "/\x0b/evil.example",
    ],
)
def test_what_might_leave_leads_to_the_start(where: str) -> None:
    assert safe_redirect_target(where) == "/"


@pytest.mark.parametrize(
    ("where", "location"),
    [
        ("/", "/"),
        ("/lab/tree?reset&x=1#cell-2", "/lab/tree?reset&x=1#cell-2"),
        ("/a//b", "/a//b"),
        ("/a\\b", "/a%5Cb"),
        ("/a b", "/a%20b"),
        ("/%2F%2Fevil.example", "/%2F%2Fevil.example"),
        ("/%0d%0aSet-Cookie:a=b", "/%0d%0aSet-Cookie:a=b"),
        ("/.//evil.example", "/.//evil.example"),
        ("/;//evil.example", "/;//evil.example"),
        ("/@evil.example", "/@evil.example"),
        ("/?next=https://evil.example/", "/?next=https://evil.example/"),
        ("/grüße", "/gr%C3%BC%C3%9Fe"),
        ("/\u2028\u00a0", "/%E2%80%A8%C2%A0"),
        ("/\u2215/evil.example", "/%E2%88%95/evil.example"),
        ('/"<>', "/%22%3C%3E"),
    ],
)
def test_what_stays_is_kept(where: str, location: str) -> None:
    assert safe_redirect_target(where) == location


tricks = st.sampled_from(
    [
        "/",
        "\\",
        "//",
        "/\\",
        "\t",
        "\n",
        "\r",
        "\0",
        " ",
        "@",
        ":",
        "evil.example",
        "http:",
        "%2F",
        "%5C",
        "%09",
        ".",
        "..",
    ]
)


@given(st.lists(tricks, max_size=8).map("".join) | st.text(max_size=20) | st.text(max_size=20).map("/".__add__))
def test_next_never_leads_off_the_host(where: str) -> None:
    location = safe_redirect_target(where)
    assert location.startswith("/") and not location.startswith("//")
    assert re.fullmatch(r"[!-~]+", location) and "\\" not in location  # fit for a field, the same to every browser
    assert resolve_as_browser(location) == urlsplit(HERE).netloc


@given(st.text(max_size=20).map("/".__add__))
def test_a_safe_place_stays_what_it_is(where: str) -> None:
    assert safe_redirect_target(safe_redirect_target(where)) == safe_redirect_target(where)


def test_the_browser_of_these_tests_is_not_fooled_itself() -> None:
    for trick in (
        "//evil.example",
        "/\\evil.example",
        "/\t/evil.example",
        " //evil.example",
        "http://evil.example",
    ):
        assert resolve_as_browser(trick) == "evil.example"


@given(st.binary())
def test_a_token_in_our_cookie_is_found(token: bytes) -> None:
    value = cookie_value(token)
    assert re.fullmatch(r"[!#-+\--:<-\[\]-~]*", value)  # cookie-octet, RFC 6265bis section 4.1.1
    assert token in cookie_candidates(value.encode())
    assert matches_any(cookie_candidates(value.encode()), hash_token(token))


@given(st.binary())
def test_a_token_that_was_put_there_raw_or_quoted_is_found(token: bytes) -> None:
    assert matches_any(cookie_candidates(token), hash_token(token))
    assert matches_any(cookie_candidates(b'"' + token + b'"'), hash_token(token))


@given(st.binary(max_size=20), st.binary(max_size=20))
@example(b"", b'"')
@example(b"%", b"%25")
def test_only_its_own_forms_show_a_token(shown: bytes, token: bytes) -> None:
    forms = {token, b'"' + token + b'"'}
    found = matches_any(cookie_candidates(shown), hash_token(token))
    if shown in forms:
        assert found
    elif b"%" not in shown:
        assert not found


@pytest.mark.parametrize("value", [b"", b'""'])
def test_an_empty_cookie_shows_the_empty_token_only(value: bytes) -> None:
    assert set(cookie_candidates(value)) <= {b"", b'""'}
    assert hash_token(b"") == EMPTY_TOKEN_HASH


@given(st.binary(min_size=1), st.sampled_from(["/", "/lab?x=1&y=2#z", "/a b+c%2F", "/ü"]))
def test_a_login_link_that_we_make_reads_back(token: bytes, where: str) -> None:
    link = parse_login_link(
        LOGIN_PREFIX + cookie_value(token), "next=" + quote_from_bytes(where.encode(), safe="")
    )
    assert link == LoginLink(token=token, next=safe_redirect_target(where))


@pytest.mark.parametrize(
    ("path", "query", "link"),
    [
        ("/_conductor/auth/t", "", LoginLink(token=b"t", next="/")),
        ("/_conductor/auth/t", "next=/a&next=/b", LoginLink(token=b"t", next="/a")),
        ("/_conductor/auth/t", "next=", LoginLink(token=b"t", next="/")),
        ("/_conductor/auth/t", "next=%2F%2Fevil.example", LoginLink(token=b"t", next="/")),
        ("/_conductor/auth/t", "next=/%255Cevil", LoginLink(token=b"t", next="/%5Cevil")),
        ("/_conductor/auth/t", "next=%FF", LoginLink(token=b"t", next="/")),
        ("/_conductor/auth/t", "&" * 500 + "next=/a", LoginLink(token=b"t", next="/")),
        ("/_conductor/auth/a%2Fb", "", LoginLink(token=b"a/b", next="/")),
        ("/_conductor/auth/a%", "", LoginLink(token=b"a%", next="/")),
        ("/_conductor/auth/", "", None),
        ("/_conductor/auth", "", None),
        ("/_conductor/auth/t/", "", None),
        ("/_conductor/auth/t/x", "", None),
        ("/x/_conductor/auth/t", "", None),
        ("/_Conductor/auth/t", "", None),
    ],
)
def test_login_links(path: str, query: str, link: LoginLink | None) -> None:
    assert parse_login_link(path, query) == link


@given(st.from_regex(r"[!-~]{0,40}", fullmatch=True), st.from_regex(r"[!-~]{0,60}", fullmatch=True))
def test_any_login_link_leads_nowhere_else(token: str, query: str) -> None:
    link = parse_login_link(LOGIN_PREFIX + token, query)
    if link is not None:
        assert resolve_as_browser(link.next) == urlsplit(HERE).netloc


def test_the_hash_is_the_contract_s() -> None:
    assert hash_token(b"test") == blake2b(b"test", digest_size=64).hexdigest()
    assert len(hash_token(b"")) == 128


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("0" * 128, True),
        ("0" * 127, False),
        ("0" * 129, False),
        ("A" * 128, False),
        ("0" * 128 + "\n", False),
        ("\u0660" * 128, False),
        ("", False),
    ],
)
def test_hashes(text: str, good: bool) -> None:
    assert is_token_hash(text) is good


def test_every_candidate_is_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[str, str]] = []

    def compare_digest(one: str, other: str) -> bool:
        compared.append((one, other))
        return original(one, other)

    original = hmac.compare_digest
    monkeypatch.setattr(hmac, "compare_digest", compare_digest)
    wanted = hash_token(b"b")
    assert matches_any([b"a", b"b", b"c"], wanted)
    assert compared == [(hash_token(token), wanted) for token in (b"a", b"b", b"c")]
    assert not matches_any([], wanted)
