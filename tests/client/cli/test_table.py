"""The client's table: its commands, and how the values of its options are read."""

from __future__ import annotations

import argparse

import pytest

from conductor_trio.client.cli.table import CLIENT, RUN, START


def test_the_commands() -> None:
    assert list(CLIENT.commands_by_name) == [
        *("run", "submit", "ls", "stop", "share", "setup", "doctor", "recipes", "completion", "files", "help"),
    ]


def test_the_contracts_options_have_their_letters() -> None:
    assert {"-k", "-r", "-v"} <= set(START.all_flags)


def test_only_forms_with_a_local_socket_speak_of_it() -> None:
    assert not [option for option in RUN.all_options if "LOCAL_SOCKET" in option.help]


@pytest.mark.parametrize(("text", "port"), [("0", 0), ("80", 80), ("65535", 65535), ("008", 8)])
def test_ports(text: str, port: int) -> None:
    assert START.options_by_flag["--tcp"].parse(text) == port


@pytest.mark.parametrize("text", ["", "-1", "65536", "http", "1.0", "²", "000080"])
def test_what_is_no_port(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="give one from 1 to 65535, or 0"):
        START.options_by_flag["--tcp"].parse(text)


def test_times() -> None:
    parse = START.options_by_flag["--idle"].parse
    assert parse("1h30m") == 5400
    with pytest.raises(argparse.ArgumentTypeError, match="'soon' is no time"):
        parse("soon")


def test_what_others_call_a_command_is_none_of_ours_and_leads_to_one() -> None:
    for word, meant in CLIENT.elsewhere.items():
        assert word not in CLIENT.commands_by_name
        name, *flags = meant.split()
        assert set(flags) <= set(CLIENT.commands_by_name[name].all_flags)
