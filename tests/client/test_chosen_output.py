"""Which output there is, and where keys are taken."""

from __future__ import annotations

import os
import sys

import attrs
import pytest

from conductor_trio.client.chosen_output import make_link_maker, open_chosen_output
from conductor_trio.client.config.address import parse_server
from conductor_trio.client.config.launch import Launch
from conductor_trio.client.config.settings import ClientSettings
from conductor_trio.client.display.display import Display
from tests.doubles.terminal import open_terminal

SETTINGS = ClientSettings(
    server=parse_server("gw"),
    local_socket=None,
    launch=Launch(command=("a",), recipe="a"),
    token="",
    has_display=True,
)


def test_keys_are_taken_where_a_recipe_starts_what_nobody_types_to() -> None:
    assert SETTINGS.takes_keys
    assert not attrs.evolve(SETTINGS, has_display=False).takes_keys
    assert not attrs.evolve(SETTINGS, is_terminal=False).takes_keys
    assert not attrs.evolve(SETTINGS, launch=Launch(command=("a",))).takes_keys


def test_where_standard_input_is_no_terminal_there_are_no_keys() -> None:
    assert not os.isatty(0) or "-s" in sys.argv
    assert make_link_maker(SETTINGS) is None


@pytest.mark.parametrize("has_display", [False, True])
async def test_people_get_a_display(has_display: bool) -> None:
    with open_terminal() as terminal:
        settings = attrs.evolve(SETTINGS, has_display=has_display)
        async with open_chosen_output(settings, terminal.descriptor, None) as output:
            assert isinstance(output, Display) == has_display
