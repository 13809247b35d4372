"""The login link: what it is made of, and that reading it undoes writing it."""

from __future__ import annotations

import pytest

from conductor_trio.access.login_link import format_login_link, guess_scheme, parse_login_link


@pytest.mark.parametrize(
    ("host", "scheme"),
    [
        ("lab-alice.apps.example.org", "https"),
        ("lab-alice.apps.example.org:8443", "https"),
        ("lab-alice.localhost:8888", "http"),
        ("localhost", "http"),
        ("localhost.example.org", "https"),
        ("notlocalhost", "https"),
        ("127.0.0.1:8888", "http"),
        ("[::1]:8888", "http"),
    ],
)
def test_schemes(host: str, scheme: str) -> None:
    assert guess_scheme(host) == scheme


def test_a_link_is_one_that_the_server_takes() -> None:
    link = format_login_link("h.example.org:8443", "tök/en")
    prefix = "https://h.example.org:8443"
    assert link.startswith(prefix)
    parsed = parse_login_link(link.removeprefix(prefix), "")
    assert parsed is not None
    assert parsed.token.decode() == "tök/en"


def test_a_scheme_that_is_known_is_not_guessed() -> None:
    assert format_login_link("h.localhost", "t", "https") == "https://h.localhost/_conductor/auth/t"
