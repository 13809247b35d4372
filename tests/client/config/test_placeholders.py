"""Placeholders: what is filled, what is left alone, and what is not known."""

from __future__ import annotations

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conductor_trio.client.config.placeholders import (
    Values,
    fill,
    find_placeholders,
    make_environment,
)
from conductor_trio.errors import ConfigError

VALUES = Values(socket="/t/s", key="lab", host="lab-a.example.org:8443", url="https://lab-a.example.org", port=80)


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("", ""),
        ("--sock={socket}", "--sock=/t/s"),
        ("{key}{host}{url}{port}", "lablab-a.example.org:8443https://lab-a.example.org80"),
        ("{{socket}}", "{socket}"),
        ("{{{socket}}}", "{/t/s}"),
        ("{other}", "{other}"),
        ("{ socket }", "{ socket }"),
        ("{Socket}", "{Socket}"),
        ("{socket", "{socket"),
        ("{}", "{}"),
        ("}", "}"),
        ("awk '{print $1}'", "awk '{print $1}'"),
        ('{"a": 1}', '{"a": 1}'),
        ("{socket!r}", "{socket!r}"),
        ("${HOME}", "${HOME}"),
    ],
)
def test_only_our_own_names_are_filled(text: str, filled: str) -> None:
    assert fill(text, VALUES) == filled


@given(st.text())
def test_text_without_braces_stays(text: str) -> None:
    text = text.replace("{", "").replace("}", "")
    assert fill(text, Values()) == text


@given(st.text(st.sampled_from("{}socketx ")))
def test_doubled_braces_stand_for_themselves(text: str) -> None:
    doubled = text.replace("{", "{{").replace("}", "}}")
    assert not find_placeholders([doubled])
    assert fill(doubled, Values()) == text


@given(st.text(), st.lists(st.sampled_from(["{socket}", "{{", "}}", "x", "{no}"])))
def test_what_is_put_in_is_not_looked_at_again(path: str, parts: list[str]) -> None:
    stands_for = {"{socket}": path, "{{": "{", "}}": "}"}
    assert fill("".join(parts), Values(socket=path)) == "".join(stands_for.get(part, part) for part in parts)


@pytest.mark.parametrize("name", [field.name for field in attrs.fields(Values)])
def test_a_value_that_is_not_known_is_named(name: str) -> None:
    with pytest.raises(ConfigError, match=f"nothing is known to put in for {{{name}}}: it is "):
        fill(f"--x={{{name}}}", attrs.evolve(VALUES, **{name: None}))


def test_placeholders_are_found() -> None:
    assert find_placeholders(["a", "{port}{{key}}", "{host} {host}"]) == {"port", "host"}


def test_the_environment_is_told_what_is_known_and_nothing_from_an_outer_client() -> None:
    inherited = {"PATH": "/bin", "HOST": "node1", "CONDUCTOR_HOST": "outer", "CONDUCTOR_SERVER": "gw"}
    made = make_environment(inherited, {"HOST": "127.0.0.1", "PORT": "{port}"}, Values(socket="/t/s", port=80))
    assert made == {
        "PATH": "/bin",
        "HOST": "127.0.0.1",
        "PORT": "80",
        "CONDUCTOR_SOCKET": "/t/s",
        "CONDUCTOR_SERVER": "gw",
    }
    told = make_environment({}, {}, VALUES)
    assert told == {"CONDUCTOR_SOCKET": "/t/s", "CONDUCTOR_HOST": VALUES.host, "CONDUCTOR_URL": VALUES.url}
