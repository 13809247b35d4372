"""Times and sizes as people write and read them."""

from __future__ import annotations

import argparse

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conductor_trio.commandline.quantities import (
    format_duration,
    format_size,
    parse_duration,
    parse_time,
    parse_whole,
)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("30m", 1800), ("8h", 28800), ("1h30m", 5400), ("2d", 172800), ("1.5h", 5400), ("0.5s", 0.5)],
)
def test_what_people_write(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "8", "h", "8 h", "-8h", "8h ", "8hours", "0h", "1e3s", "8h30", "٣h", "inf"])
def test_what_is_no_time_is_told_so(text: str) -> None:
    with pytest.raises(ValueError, match="8h, 1h30m or 2d"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (59.4, "59 s"),
        (60, "1 min"),
        (3599, "59 min"),
        (3660, "1 h 1 min"),
        (90000, "1 d 1 h"),
        (-5, "0 s"),
    ],
)
def test_what_people_read(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


@given(st.text())
def test_any_text_is_a_positive_time_or_none(text: str) -> None:
    try:
        assert 0 < parse_duration(text) < float("inf")
    except ValueError as error:
        assert "\n" not in str(error)


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 KiB"),
        (1536, "1.5 KiB"),
        (102_300, "99.9 KiB"),
        (1023 * 1024, "1.0 MiB"),
        (5 * 1024**4, "5.0 TiB"),
        (10**18, "909495 TiB"),
    ],
)
def test_sizes(count: int, text: str) -> None:
    assert format_size(count) == text


def test_a_mistake_in_an_option_is_told_in_words() -> None:
    assert (parse_time("2m"), parse_whole("7")) == (120, 7)
    with pytest.raises(argparse.ArgumentTypeError, match=r"^'2x' is no time; write it as 90s"):
        parse_time("2x")
    with pytest.raises(argparse.ArgumentTypeError, match=r"^'abc' is no whole number$"):
        parse_whole("abc")
