"""What an application may have a browser forget: its own origin's data, and nothing of its neighbours'."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conductor_trio.http1.site_data import keep_own_site_data

ALL = b'"cache", "clientHints", "executionContexts", "prefetchCache", "prerenderCache", "storage"'


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (b'"storage"', b'"storage"'),
        (b'"cookies"', b""),
        (b'"cache","cookies" ,\t"storage"', b'"cache", "storage"'),
        (b'"*"', ALL),
        (b'"cookies", "*"', ALL),
        (b"cookies", b""),
        (b"*", b""),
        (b'"Cookies"', b""),
        (b'"something new"', b""),
        (b'"storage,"cookies"', b""),
        (b"", b""),
    ],
)
def test_only_the_origins_own_is_kept(value: bytes, kept: bytes) -> None:
    assert keep_own_site_data(value) == kept


@given(st.lists(st.sampled_from([b'"', b"*", b"cookies", b"storage", b",", b" ", b'"*"', b'"cookies"'])))
def test_no_spelling_keeps_cookies(parts: list[bytes]) -> None:
    kept = keep_own_site_data(b"".join(parts))
    assert b"cookies" not in kept and b"*" not in kept
    assert keep_own_site_data(kept) == kept
