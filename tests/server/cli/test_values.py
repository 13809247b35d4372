"""What the server's settings may say, and in which words what they may not is told."""

from __future__ import annotations

import os

import pytest

from conductor_trio.server.cli.values import (
    metrics_address,
    normalize_cookie_name,
    normalize_field_name,
    normalize_log_format,
    normalize_origin,
    normalize_user_or_group,
)


def test_values_are_kept_in_one_form() -> None:
    assert normalize_origin("https://P.test:443/") == "https://p.test"
    assert normalize_field_name("X-Forwarded-User") == "x-forwarded-user"
    assert normalize_cookie_name("_oauth2_proxy*") == "_oauth2_proxy*"
    assert normalize_log_format("combined") == "combined"
    assert normalize_user_or_group("@staff") == "@staff"
    assert metrics_address("[::1]:0") == ("::1", 0)
    assert metrics_address("./m") == os.path.abspath("m")


@pytest.mark.parametrize("name", ["", "X Y", "Cookie", "Host", "X-Forwarded-For", "Content-Length", "Ä"])
def test_what_no_front_proxy_says_somebodys_name_by(name: str) -> None:
    with pytest.raises(ValueError, match="no name of a field"):
        normalize_field_name(name)


@pytest.mark.parametrize("name", ["", "*", "a*b", "a=b", "a;b", "a b"])
def test_what_is_no_cookies_name(name: str) -> None:
    with pytest.raises(ValueError, match="no name of a cookie"):
        normalize_cookie_name(name)
