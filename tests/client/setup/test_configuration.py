"""A gateway written into a configuration that people have made."""

from __future__ import annotations

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conductor_trio.client.setup.configuration import add_settings
from conductor_trio.errors import ConfigError

WANTED = {"server": "gw.example.org", "identity": "/home/me/.ssh/key"}
LINES = 'server = "gw.example.org"\nidentity = "/home/me/.ssh/key"\n'


@pytest.mark.parametrize(
    ("text", "after"),
    [
        ("", LINES),
        (LINES, LINES),
        ("# mine\nqr = true\n", f"{LINES}# mine\nqr = true\n"),
        ('server = "gw.example.org"', 'identity = "/home/me/.ssh/key"\nserver = "gw.example.org"'),
        ("[recipes.x]\ncommand = ['x']\n", f"{LINES}[recipes.x]\ncommand = ['x']\n"),
    ],
)
def test_what_is_missing_is_added(text: str, after: str) -> None:
    edited = add_settings(text, WANTED, file="f", replace=False)
    assert (edited.text, edited.kept) == (after, {})


def test_another_gateway_is_kept_unless_it_is_to_be_replaced() -> None:
    text = 'qr = true\nserver = "old"  # the old one\n[submit]\nserver = "x"\n'
    edited = add_settings(text, WANTED, file="f", replace=False)
    assert (edited.text, edited.kept) == (text, {"server": "old"})
    edited = add_settings(text, WANTED, file="f", replace=True)
    assert edited.text == (
        'identity = "/home/me/.ssh/key"\nqr = true\n'
        'server = "gw.example.org"  # was: server = "old"  # the old one\n[submit]\nserver = "x"\n'
    )
    again = add_settings(edited.text, WANTED, file="f", replace=True)
    assert again.text == edited.text


def test_a_malformed_file_is_told_and_left() -> None:
    with pytest.raises(ConfigError, match="f:1: is no TOML"):
        add_settings("server = gw\n", WANTED, file="f", replace=True)


@given(
    st.dictionaries(st.sampled_from(["server", "identity", "key", "qr"]), st.text(max_size=8)),
    st.booleans(),
    st.text(max_size=8).filter(lambda text: "\0" not in text),
)
def test_any_file_says_afterwards_what_it_said_and_what_is_wanted(
    said: dict[str, str], replace: bool, value: str
) -> None:
    from conductor_trio.configuration.toml_text import format_value

    text = "".join(f"{key} = {format_value(one)}\n" for key, one in said.items())
    edited = add_settings(text, {"server": value}, file="f", replace=replace)
    wanted = {} if edited.kept else {"server": value}
    assert tomllib.loads(edited.text) == {**said, **wanted}
