"""Mistakes in TOML, told in words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conductor_trio.configuration.toml_table import parse_table
from conductor_trio.configuration.toml_words import advise
from conductor_trio.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "line", "advice"),
    [
        ("server = gw.example.org", 1, 'text stands in quotation marks: server = "gw.example.org"'),
        ("a = 1\nkey = lab  # mine", 2, 'text stands in quotation marks: key = "lab"'),
        ("directory = ~/jobs", 1, 'text stands in quotation marks: directory = "~/jobs"'),
        ("qr = True", 1, "write qr = true"),
        ("open = no", 1, "write open = false"),
        ("a = ?", 1, "a value is text in quotation marks, a number, true or false, or a list in brackets"),
        ("server", 1, "a setting is written as name = value"),
        ("[submit", 1, "the bracket behind the table's name is missing"),
        ("a = 1\na = 2", 2, "that name stands there already, further up"),
        ("[a]\n[a]", 2, "that table stands there already, further up"),
        ('a = "x', 1, "the quotation mark at the end is missing"),
        ('a = "x\nb = 1', 1, "a quotation mark at the end may be missing, or a character cannot be seen"),
        ("a = [1, 2", 1, "the bracket at the end of the list is missing"),
        ("a = 1 b = 2", 1, "one setting stands in each line, and text in quotation marks"),
        ('a = "C:\\x"', 1, "write two backslashes for one, or put the text between single quotation marks"),
        ("= 1", 1, "a line is a setting, name = value, or the name of a table, [name]"),
    ],
)
def test_common_mistakes(text: str, line: int, advice: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_table(text, file="f")
    assert str(caught.value).startswith(f"f:{line}: is no TOML: ")
    assert caught.value.advice == advice


@given(st.text(), st.text())
def test_any_line_is_looked_at(message: str, line: str) -> None:
    advise(message, line)
