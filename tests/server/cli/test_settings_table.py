"""The one table of the server's settings: what stands in it, and that it agrees with the limits."""

from __future__ import annotations

import attrs
import pytest

from conductor_trio.configuration.configured import configure
from conductor_trio.configuration.settings import Setting, Switch
from conductor_trio.configuration.toml_table import parse_table
from conductor_trio.limits.server import ServerLimits
from conductor_trio.server.cli.settings_table import LIMITS, OPTION_SETTINGS, SECTIONS
from conductor_trio.server.settings import OwnLimits

EVERY = [setting for section in SECTIONS for setting in section.settings]


@pytest.mark.parametrize("limit", LIMITS, ids=lambda limit: limit.key)
def test_a_setting_has_the_words_of_its_limit(limit: Setting) -> None:
    assert limit.default == getattr(ServerLimits(), limit.field)
    assert limit.field in limit.keys or limit.field == f"{limit.keys[0]}_timeout"


@pytest.mark.parametrize("setting", EVERY, ids=lambda setting: setting.key)
def test_what_a_file_says_by_example_can_be_read(setting: Setting) -> None:
    if setting.example:
        kind, table = setting.kind, parse_table(f"key = {setting.example}", file="f")
        assert kind.check(kind.read(table, "key"))


def test_each_setting_has_one_key_and_one_field() -> None:
    for section in SECTIONS:
        keys = [key for setting in section.settings for key in setting.keys]
        fields = [setting.field for setting in section.settings]
        assert len(keys) == len(set(keys)) and len(fields) == len(set(fields))


def test_what_can_be_said_of_a_user_is_what_rules_have() -> None:
    for section in SECTIONS:
        if not section.named:
            continue
        assert {setting.field for setting in section.settings} == {field.name for field in attrs.fields(OwnLimits)}


def test_every_option_takes_a_value_or_can_be_said_to_be_off() -> None:
    for setting in OPTION_SETTINGS:
        option = setting.option
        assert option.takes_value or (option.negation and isinstance(setting.kind, Switch))
        assert option.default is None


def test_without_a_word_all_is_default() -> None:
    said = configure(SECTIONS, None)
    assert {given.origin.is_default for given in said.values.values()} == {True}
