"""JSON from others is a value that can be compared and written again, or a ValueError; nothing else."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conductor_trio.strict_json import is_count, is_number, parse_json
from tests.support.odd_json import odd_lines


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"\xff",
        b"\xef\xbb\xbf{}",
        b"[" * 100_000,
        b"[" * 900 + b"]" * 900,
        b'{"a":' * 500 + b"1" + b"}" * 500,
        b"9" * 5000,
        b"NaN",
        b"-Infinity",
        b"1e999",
        b'["\\ud8"]',
        b"{} {}",
        b"'a'",
    ],
)
def test_what_is_a_value_error(text: bytes) -> None:
    with pytest.raises(ValueError):
        parse_json(text)


def test_odd_numbers_are_none_where_there_may_be_some() -> None:
    text = b'{"a": NaN, "b": [1e999, -Infinity, 1.5], "c": 1}'
    assert parse_json(text, has_odd_numbers=True) == {"a": None, "b": [None, None, 1.5], "c": 1}


def test_many_values_are_not_deep() -> None:
    assert parse_json(b"[" + b"[]," * 5000 + b"[]]") == [[]] * 5001


@given(odd_lines)
def test_whatever_comes_is_a_value_that_can_be_written_or_a_value_error(line: bytes) -> None:
    try:
        value = parse_json(line)
    except ValueError:
        return
    assert json.loads(json.dumps(value)) == value


@given(st.from_type(object))
def test_numbers_are_told_by_comparison(value: object) -> None:
    is_number(value), is_count(value, 10)


def test_what_a_number_is() -> None:
    assert is_number(0) and is_number(-1.5) and is_number(10**300)
    for odd in (True, None, "1", 10**400, -(10**400), math.inf, math.nan):
        assert not is_number(odd)
    assert is_count(0, 5) and is_count(5, 5)
    for odd in (True, -1, 6, 1.0, "1", 10**400, None):
        assert not is_count(odd, 5)
