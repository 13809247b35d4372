"""Our cookie is cut out of Cookie fields to the byte, and known in Set-Cookie fields."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from conductor_trio.http1.cookies import keep_cookie_at_home, sets_own_cookie, split_cookie
from tests.support.oracles import cut_by_scanning


def cut_cookie(value: bytes) -> tuple[bytes, list[bytes]]:
    """Return a Cookie field's value without our cookie, and the values that our cookie had."""
    kept, tokens = split_cookie(value)
    return b"".join([value[part] for part in kept]), [value[part] for part in tokens]


cookie_pieces = st.sampled_from(
    [
        b"authorization",
        b"authorization=",
        b"__Host-",
        b"=",
        b";",
        b"; ",
        b" ",
        b"\t",
        b"a",
        b'"',
        b"Authorization=",
        b"x=y",
        b"\xe9",
        b",",
    ]
)


@given(st.lists(cookie_pieces, max_size=14).map(b"".join))
@example(b"authorization=a; authorization=b")
@example(b"; authorization=;;")
@example(b"a=authorization=b")
def test_our_cookie_is_cut_out_and_nothing_else_changes(value: bytes) -> None:
    value = value.strip(b" \t")
    assert cut_cookie(value) == cut_by_scanning(value)


@given(st.lists(cookie_pieces, max_size=14).map(b"".join))
def test_nothing_of_ours_is_left(value: bytes) -> None:
    kept, _ = cut_cookie(value)
    assert cut_cookie(kept) == (kept, [])


@pytest.mark.parametrize(
    ("value", "kept", "tokens"),
    [
        (b"authorization=t", b"", [b"t"]),
        (b"authorization=t;", b"", [b"t"]),
        (b"authorization=t; a=b", b"a=b", [b"t"]),
        (b"a=b; authorization=t", b"a=b", [b"t"]),
        (b"a=b; authorization=t; c=d", b"a=b; c=d", [b"t"]),
        (b"a=b;authorization=t;c=d", b"a=b;c=d", [b"t"]),
        (b"authorization =t", b"", [b"t"]),
        (b"authorization=a=b", b"", [b"a=b"]),
        (b'authorization="t"', b"", [b'"t"']),
        (b"authorization=", b"", [b""]),
        (b"authorization", b"authorization", []),
        (b"Authorization=t", b"Authorization=t", []),
        (b"xauthorization=t", b"xauthorization=t", []),
        (b"a=authorization=t", b"a=authorization=t", []),
        (b"__Host-authorization=t", b"", [b"t"]),
        (b"authorization=planted; a=b; __Host-authorization=t; authorization=t", b"a=b", [b"t", b"planted", b"t"]),
        (b"a=b; __Host-authorization = t ;c=d", b"a=b;c=d", [b"t"]),
        (b"__host-authorization=t", b"__host-authorization=t", []),
        (b"__Secure-authorization=t", b"__Secure-authorization=t", []),
    ],
)
def test_cookies(value: bytes, kept: bytes, tokens: list[bytes]) -> None:
    assert cut_cookie(value) == (kept, tokens)


@pytest.mark.parametrize(
    ("value", "owns_path"),
    [
        (b"authorization=x", True),
        (b"authorization=x; Domain=test; Path=/", True),
        (b"authorization=", True),
        (b"authorization", True),
        (b" authorization = x", True),
        (b"=authorization=x", True),
        (b"=authorization", True),
        (b"authorization; Path=/", True),
        (b"Authorization=x", False),
        (b"authorizations=x", False),
        (b"a=authorization", False),
        (b"a=b; authorization=x", False),
        (b"__Host-authorization=x", True),
        (b"=__Host-authorization=x; Path=/", True),
        (b"__Host-authorization", True),
        (b"__Host-session=x", False),
        (b"", False),
    ],
)
def test_set_cookie(value: bytes, owns_path: bool) -> None:
    assert sets_own_cookie(value) is owns_path


HOST = b"lab-alice.apps.example.org"


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (b"a=b", b"a=b"),
        (b"a=b; Path=/; HttpOnly", b"a=b; Path=/; HttpOnly"),
        (b"a=b; Domain=apps.example.org; Path=/", b"a=b; Path=/"),
        (b"a=b; Domain=.apps.example.org", b"a=b"),
        (b"a=b;domain=EXAMPLE.org;Secure", b"a=b;Secure"),
        (b"a=b; DOMAIN = \texample.org ; Max-Age=1", b"a=b; Max-Age=1"),
        (b"a=b; Domain=lab-alice.apps.example.org; Domain=example.org", b"a=b; Domain=lab-alice.apps.example.org"),
        (b"a=b; Domain=evil-bob.apps.example.org", b"a=b"),
        (b"a=b; Domain=x.lab-alice.apps.example.org", b"a=b"),
        (b"a=b; Domain=lab-alice.apps.example.org.", b"a=b"),
        (b"a=b; Domain=.Lab-Alice.apps.example.org; Path=/", b"a=b; Domain=.Lab-Alice.apps.example.org; Path=/"),
        (b"a=b; Domain=; Path=/", b"a=b; Domain=; Path=/"),
        (b"a=b; Domain", b"a=b; Domain"),
        (b"Domain=example.org; Path=/", b"Domain=example.org; Path=/"),
        (b"; Domain=example.org", b""),
        (b"", b""),
    ],
)
def test_no_cookie_goes_to_the_neighbours(value: bytes, kept: bytes) -> None:
    assert keep_cookie_at_home(value, HOST) == kept
