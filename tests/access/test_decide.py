"""The one gate: what becomes of a request follows from its head, its route and the policy alone."""

from __future__ import annotations

from urllib.parse import quote, unquote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from conductor_trio.access.decide import decide
from conductor_trio.access.decisions import (
    Decision,
    Forward,
    Respond,
    ServerOptions,
    StatusPage,
)
from conductor_trio.access.grants import Access
from conductor_trio.access.origins import Policy
from conductor_trio.access.reasons import Redirect, Refusal
from conductor_trio.access.tokens import TokenHash, hash_token
from conductor_trio.http1.request import RequestHead
from tests.support.guards import OpenGuard
from tests.support.heads import parse_request_head
from tests.support.shares import make_share

TOKEN = b"t0ken"
HASH = hash_token(TOKEN)
NOW = 1_000_000.0
COOKIE = b"Cookie: authorization=t0ken\r\n"
PORTAL = Policy(allowed_origins=frozenset([b"https://portal.test"]))


def decided(
    target: bytes = b"/",
    fields: bytes = COOKIE,
    *,
    method: bytes = b"GET",
    route: TokenHash | None = HASH,
    https: bool = False,
) -> Decision:
    head = method + b" " + target + b" HTTP/1.1\r\nHost: x.test\r\n" + fields + b"\r\n"
    access = None if route is None else Access(owner_hash=route)
    return decide(parse_request_head(head, max_fields=100), access, PORTAL, OpenGuard(), https=https, now=NOW)


@pytest.mark.parametrize(
    ("fields", "decision"),
    [
        (COOKIE, Forward(drop_authorization=False)),
        (b"Authorization: Bearer t0ken\r\n", Forward(drop_authorization=True)),
        (b"Authorization: Bearer other\r\n" + COOKIE, Forward(drop_authorization=False)),
        (b"Cookie: authorization=x; authorization=t0ken\r\n", Forward(drop_authorization=False)),
        (b'Cookie: authorization="t0ken"\r\n', Forward(drop_authorization=False)),
        (b"Cookie: authorization=t0%6ben\r\n", Forward(drop_authorization=False)),
        (b"", Respond(reason=Refusal.NO_TOKEN)),
        (b"Authorization: Basic t0ken\r\n", Respond(reason=Refusal.NO_TOKEN)),
        (b"Cookie: authorization=x\r\n", Respond(reason=Refusal.NO_TOKEN, failed_token=True)),
        (b"Cookie: authorization=\r\n", Respond(reason=Refusal.NO_TOKEN, failed_token=True)),
        (b"Authorization: Bearer x\r\n", Respond(reason=Refusal.NO_TOKEN, failed_token=True)),
        (b"Cookie: other=t0ken\r\n", Respond(reason=Refusal.NO_TOKEN)),
        (b"X-Authorization: t0ken\r\n", Respond(reason=Refusal.NO_TOKEN)),
    ],
)
def test_who_gets_in(fields: bytes, decision: Decision) -> None:
    assert decided(fields=fields) == decision
    # Without a route nobody does, and nobody learns whether the token would be right.
    assert decided(fields=fields, route=None) == Respond(reason=Refusal.NO_ROUTE)


def test_an_empty_token_lets_nobody_in() -> None:
    for fields in (b"Cookie: authorization=\r\n", b'Cookie: authorization=""\r\n', b"Cookie: authorization\r\n"):
        assert isinstance(decided(fields=fields, route=hash_token(b"")), Respond)


@pytest.mark.parametrize("method", [b"POST", b"PUT", b"DELETE", b"PATCH", b"PROPFIND", b"get"])
@pytest.mark.parametrize(
    ("origin", "passes"),
    [
        (b"http://x.test", True),
        (b"http://x.test:8080", False),
        (b"HTTPS://X.test:443", True),
        (b"https://portal.test", True),
        (b"https://PORTAL.test", True),
        (b"http://portal.test", False),
        (b"http://y.test", False),
        (b"null", False),
        (b"", False),
        (b"http://x.test.evil.example", False),
        (b"http://x.test/", False),
        (b"x.test", False),
        (b"http://[x.test]", False),
        (b"http://\xe9", False),
        (b"file://x.test", False),
    ],
)
def test_where_a_change_may_come_from(method: bytes, origin: bytes, passes: bool) -> None:
    line = b"Origin: " + origin + b"\r\n"
    expected = Forward(drop_authorization=False) if passes else Respond(reason=Refusal.CROSS_SITE)
    assert decided(fields=COOKIE + line, method=method) == expected
    upgrade = b"Connection: upgrade\r\nUpgrade: websocket\r\n"
    assert decided(fields=COOKIE + line + upgrade) == expected
    # Reading is left to the browser's own rules, and a bearer is no ambient credential.
    assert decided(fields=COOKIE + line) == Forward(drop_authorization=False)
    bearer = b"Authorization: Bearer t0ken\r\n"
    assert decided(fields=bearer + line, method=method) == Forward(drop_authorization=True)
    # The token comes first.
    assert decided(fields=line, method=method) == Respond(reason=Refusal.NO_TOKEN)


def test_our_own_pages() -> None:
    assert decided(b"*", method=b"OPTIONS") == ServerOptions()
    assert decided(b"/_conductor/status", b"", route=None) == StatusPage()
    assert decided(b"/_conductor/status", b"") == StatusPage()
    assert decided(b"/_conductor/status", method=b"POST") == Respond(reason=Refusal.METHOD_NOT_ALLOWED)
    assert decided(b"/_conductor/other") == Respond(reason=Refusal.NO_PAGE)
    assert decided(b"/_conductor/other", route=None) == Respond(reason=Refusal.NO_ROUTE)
    assert decided(b"/_conductor/auth/t0ken", route=None) == Respond(reason=Refusal.NO_ROUTE)
    assert decided(b"/_conductor/auth/x") == Respond(reason=Refusal.WRONG_TOKEN, failed_token=True)
    plain = b"authorization=t0ken; HttpOnly; Path=/; SameSite=Lax"
    secure = (plain + b"; Secure", b"__Host-" + plain + b"; Secure; Priority=High")
    for https, cookies in ((False, (plain,)), (True, secure)):
        expected = Respond(reason=Redirect(where="/lab", set_cookies=cookies))
        assert decided(b"/_conductor/auth/t0ken?next=/lab", b"", https=https) == expected


def resolve(path: str) -> list[str]:
    """Return the segments that the most lenient of applications sees."""
    seen: list[str] = []
    for segment in unquote(path).replace("\\", "/").split("/"):
        if segment == "..":
            seen = seen[:-1]
        elif segment not in ("", "."):
            seen.append(segment)
    return seen


spellings = st.sampled_from(
    ["_conductor", "%5fconductor", "_c%6Fnductor", "_conducto", "_CONDUCTOR", "a", "%", "%2f"]
)
separators = st.sampled_from(["/", "//", "/./", "/../", "\\", "%2f", "%5C", "/%2e%2E/", "/%2e/", ";", "?"])


@given(st.lists(st.tuples(separators, spellings), max_size=5))
@example([("/", "%5fconductor"), ("%2f", "status")])
def test_no_spelling_of_our_pages_reaches_an_application(parts: list[tuple[str, str]]) -> None:
    target = "/" + "".join(separator + spelling for separator, spelling in parts)
    is_forwarded = isinstance(decided(target.encode()), Forward)
    assert is_forwarded is (resolve(target.partition("?")[0])[:1] != ["_conductor"])


@given(st.binary(min_size=1, max_size=20).filter(lambda token: b"/" not in token), st.booleans())
def test_any_token_works_in_a_link_and_then_as_a_cookie(token: bytes, https: bool) -> None:
    target = b"/_conductor/auth/" + quote(token, safe="").encode()
    decision = decided(target, b"", route=hash_token(token), https=https)
    assert isinstance(decision, Respond) and isinstance(decision.reason, Redirect)
    assert len(decision.reason.set_cookies) == 1 + https
    for cookie in decision.reason.set_cookies:
        shown = b"Cookie: a=b; " + cookie.partition(b";")[0] + b"; c=d\r\n"
        assert decided(fields=shown, route=hash_token(token)) == Forward(drop_authorization=False)


# What is concluded once.


def shown(token: bytes) -> RequestHead:
    """Return a request that shows a token."""
    return parse_request_head(
        b"GET / HTTP/1.1\r\nHost: x.test\r\nCookie: authorization=%b\r\n\r\n" % token, max_fields=100
    )


def test_that_it_was_the_owners_token_is_concluded_once_and_only_for_the_same_access() -> None:
    head = shown(TOKEN)
    access = Access(owner_hash=hash_token(TOKEN))
    for _ in range(2):
        assert isinstance(decide(head, access, Policy(), OpenGuard(), https=False, now=1.0), Forward)
    other = Access(owner_hash=hash_token(b"another"))
    assert isinstance(decide(head, other, Policy(), OpenGuard(), https=False, now=1.0), Respond)
    assert isinstance(decide(head, access, Policy(), OpenGuard(), https=False, now=1.0), Forward)


def test_a_share_is_looked_at_each_time_since_it_ends_in_time() -> None:
    head = shown(b"guest")
    access = Access(owner_hash=hash_token(TOKEN)).with_share(make_share(b"guest", expires=10.0))
    assert isinstance(decide(head, access, Policy(), OpenGuard(), https=False, now=9.0), Forward)
    assert isinstance(decide(head, access, Policy(), OpenGuard(), https=False, now=11.0), Respond)
