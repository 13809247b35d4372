"""Our cookie is cut out of Cookie fields to the byte, and known in Set-Cookie fields."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from conductor_trio.http1.cookies import sets_own_cookie, split_cookie
from tests.support.oracles import cut_by_scanning


def cut_cookie(value: bytes) -> tuple[bytes, list[bytes]]:
    """Return a Cookie field's value without our cookie, and the values that our cookie had."""
    kept, tokens = split_cookie(value)
    return b"".join([value[part] for part in kept]), [value[part] for part in tokens]


cookie_pieces = st.sampled_from(
    [
        b"authorization",
        b"authorization=",
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
        (b"", False),
    ],
)
def test_set_cookie(value: bytes, owns_path: bool) -> None:
    assert sets_own_cookie(value) is owns_path
