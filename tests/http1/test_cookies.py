"""Our cookie is cut out of Cookie fields to the byte, and known in Set-Cookie fields."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from conductor_trio.http1.cookies import CookieRules, keep_cookie_at_home
from tests.support.oracles import cut_by_scanning

FRONT = CookieRules((b"_oauth2_proxy*", b"mod_auth_openidc_session"))


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (b"_oauth2_proxy=x", b""),
        (b"a=1; _oauth2_proxy=x; b=2", b"a=1; b=2"),
        (b"_oauth2_proxy_0=x; _oauth2_proxy_csrf = y; a=1", b"a=1"),
        (b"a=1;mod_auth_openidc_session=x", b"a=1"),
        (b"mod_auth_openidc_session_=x; a=_oauth2_proxy=1", b"mod_auth_openidc_session_=x; a=_oauth2_proxy=1"),
        (b"x_oauth2_proxy=x; _OAUTH2_PROXY=y", b"x_oauth2_proxy=x; _OAUTH2_PROXY=y"),
        (b"_oauth2_proxy", b"_oauth2_proxy"),
        (b"", b""),
    ],
)
def test_a_front_proxys_cookies_end_here(value: bytes, kept: bytes) -> None:
    assert b"".join(value[part] for part in FRONT.split(value)[0]) == kept
    ours = value + b"; authorization=t"
    parts, tokens = FRONT.split(ours)
    assert b"".join(ours[part] for part in parts) == kept
    assert [ours[token] for token in tokens] == [b"t"]


@given(
    st.lists(
        st.tuples(
            st.sampled_from(
                [b"a", b"_oauth2_proxy", b"_oauth2_proxy_1", b"authorization", b"__Host-authorization"]
            ),
            st.sampled_from([b"", b"x", b'"y"', b"a=b", b" z "]),
        )
    )
)
def test_nothing_else_is_lost_beside_them(pairs: list[tuple[bytes, bytes]]) -> None:
    value = b"; ".join(name + b"=" + text for name, text in pairs)
    kept, tokens = FRONT.split(value)
    others = [name + b"=" + text for name, text in pairs if name == b"a"]
    assert b"".join(value[part] for part in kept).strip() == b"; ".join(others).strip()
    shown = [text.strip() for name, text in pairs if name.endswith(b"authorization")]
    assert sorted(value[token] for token in tokens) == sorted(shown)


@pytest.mark.parametrize(
    ("value", "is_forbidden"),
    [
        (b"_oauth2_proxy=x; Path=/", True),
        (b"_oauth2_proxy_2=", True),
        (b"=_oauth2_proxy=x", True),
        (b" mod_auth_openidc_session =x", True),
        (b"mod_auth_openidc_state=x", False),
        (b"a=_oauth2_proxy", False),
        (b"authorization=x", True),
    ],
)
def test_no_application_sets_a_front_proxys_cookies(value: bytes, is_forbidden: bool) -> None:
    assert FRONT.forbid_setting(value) is is_forbidden


def cut_cookie(value: bytes) -> tuple[bytes, list[bytes]]:
    """Return a Cookie field's value without our cookie, and the values that our cookie had."""
    kept, tokens = CookieRules().split(value)
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
    assert CookieRules().forbid_setting(value) is owns_path


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
