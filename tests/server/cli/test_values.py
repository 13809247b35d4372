"""What the server's settings may say, and in which words what they may not is told."""

from __future__ import annotations

import os

import pytest

from conductor_trio.server.cli.values import (
    Workers,
    metrics_address,
    normalize_cookie_name,
    normalize_field_name,
    normalize_log_format,
    normalize_origin,
    normalize_user_or_group,
    workers_number,
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


@pytest.mark.parametrize(("word", "kept"), [("auto", "auto"), ("1", 1), ("16", 16)])
def test_workers_are_a_number_or_as_many_as_there_are_cores(word: str, kept: object) -> None:
    assert Workers().check(Workers().parse(word)) == kept
    assert workers_number(kept) == (len(os.sched_getaffinity(0)) if kept == "auto" else kept)


@pytest.mark.parametrize("word", ["", "0", "-1", "257", "many", "1.5", "²"])
def test_what_is_no_number_of_workers(word: str) -> None:
    with pytest.raises(ValueError, match="no number of workers"):
        Workers().check(Workers().parse(word))
