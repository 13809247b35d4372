"""Values and keys in TOML: what is written is read as what was meant."""

from __future__ import annotations

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conductor_trio.configuration.toml_text import format_key, format_value

texts = st.text(st.characters(codec="utf-8"))
scalars = texts | st.booleans() | st.integers(-(10**18), 10**18) | st.floats(0, 5e9)


@given(scalars | st.lists(texts).map(tuple))
def test_a_value_is_read_as_what_it_was(value: object) -> None:
    read = tomllib.loads(f"key = {format_value(value)}")["key"]
    assert read == (list(value) if isinstance(value, tuple) else value)


@given(st.lists(texts, min_size=1, max_size=3))
def test_a_key_is_read_as_what_it_was(path: list[str]) -> None:
    value: object = tomllib.loads(f"{format_key(*path)} = 1")
    for key in path:
        assert isinstance(value, dict)
        value = value[key]
    assert value == 1


@pytest.mark.parametrize(
    ("value", "text"), [(True, "true"), (10.0, "10"), (0.5, "0.5"), (("a", 'b"'), r'["a", "b\""]'), ("", '""')]
)
def test_how_values_look(value: object, text: str) -> None:
    assert format_value(value) == text
