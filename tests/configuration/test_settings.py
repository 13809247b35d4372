"""The kinds of values: what a file and an option may say of each, and in which words more is refused."""

from __future__ import annotations

import argparse
import math

import pytest

from conductor_trio.configuration.settings import Count, Kind, Path, Port, Seconds, Setting, Switch, Text, Texts
from conductor_trio.configuration.toml_table import parse_table
from conductor_trio.errors import ConfigError

COUNT = Count(what="things")


def read(kind: Kind, text: str) -> object:
    value = kind.read(parse_table(f"key = {text}", file="/etc/f.toml"), "key")
    return kind.check(value)


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (Text(), '"a"', "a"),
        (Text(may_be_empty=True), '""', ""),
        (Text(normalize=str.lower), '"A"', "a"),
        (Path(), '"/run/x"', "/run/x"),
        (Path(), '"x/y"', "/etc/x/y"),
        (Texts(), '["a", "b"]', ("a", "b")),
        (Texts(), '"a"', ("a",)),
        (Texts(), "[]", ()),
        (Switch(), "false", False),
        (COUNT, "1", 1),
        (Port(), "0", 0),
        (Seconds(), "0", 0.0),
        (Seconds(), "1.5", 1.5),
        (Seconds(), '"1h30m"', 5400.0),
    ],
)
def test_what_a_file_may_say(kind: Kind, text: str, value: object) -> None:
    assert read(kind, text) == value
    assert kind.read(parse_table("", file="f"), "key") is None


@pytest.mark.parametrize(
    ("kind", "text", "words"),
    [
        (Text(), "1", "has to be text"),
        (Text(), '""', "is empty"),
        (Path(), "true", "has to be text"),
        (Texts(), "1", "has to be a list"),
        (Texts(), "[1]", "each of it has to be text"),
        (Switch(), '"yes"', "has to be true or false"),
        (COUNT, "0", "has to be a number from 1"),
        (COUNT, "true", "has to be a number"),
        (COUNT, '"5"', "has to be a number"),
        (Port(), "65536", "has to be a number from 0 to 65535"),
        (Seconds(), "-1", "has to be a number of seconds"),
        (Seconds(), "nan", "has to be a number of seconds"),
        (Seconds(), "inf", "has to be a number of seconds"),
        (Seconds(), "true", "has to be a number of seconds"),
        (Seconds(), '"soon"', "is no time"),
        (Seconds(), "2026-01-01", "has to be a number of seconds"),
    ],
)
def test_what_a_file_may_not_say(kind: Kind, text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=f"^/etc/f.toml:1: key: .*{words}"):
        read(kind, text)


@pytest.mark.parametrize(
    ("kind", "word", "value"),
    [(Port(), "80", 80), (COUNT, "3", 3), (Seconds(), "2.5", 2.5), (Seconds(), "2m", 120.0), (Path(), "x", "x")],
)
def test_what_an_option_may_say(kind: Kind, word: str, value: object) -> None:
    assert kind.check(kind.parse(word)) == value


def test_a_time_that_nobody_can_wait_for_is_a_long_one() -> None:
    assert math.isfinite(float(str(Seconds().check(math.inf))))


@pytest.mark.parametrize(("kind", "word"), [(Seconds(), "soon"), (Port(), "http"), (COUNT, "1.5")])
def test_a_word_of_another_kind_is_wrong_usage(kind: Kind, word: str) -> None:
    with pytest.raises((ValueError, argparse.ArgumentTypeError)):
        kind.parse(word)


@pytest.mark.parametrize(
    ("kind", "value", "words"),
    [
        (Port(), 65536, "no TCP port"),
        (COUNT, 0, "how many things there may be, 1 or more"),
        (COUNT, 10**30, "at most"),
        (Seconds(), -1.0, "0 or more"),
        (Seconds(), math.nan, "0 or more"),
    ],
)
def test_a_value_that_makes_no_sense_is_refused(kind: Kind, value: object, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        kind.check(value)


def test_keys_are_the_long_names_of_an_option() -> None:
    setting = Setting(field="f", kind=COUNT, help="h", flags=("-x", "--one-name", "--other"), metavar="N")
    assert setting.keys == ("one_name", "other") and setting.key == "one_name"
    assert setting.option.takes_value and setting.option.flags == setting.flags
    assert Setting(field="f", kind=COUNT, help="h").keys == ("f",)


def test_a_switch_can_be_said_to_be_off() -> None:
    option = Setting(field="f", kind=Switch(), help="h", flags=("--loud",)).option
    assert not option.takes_value and option.negation == "--no-loud"
