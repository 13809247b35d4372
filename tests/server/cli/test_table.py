"""The server's table of commands."""

from __future__ import annotations

from conductor_trio.server.cli.settings_table import OPTION_SETTINGS
from conductor_trio.server.cli.table import CHECK, CONFIG, RELOAD, SERVE, SERVER


def test_the_commands() -> None:
    assert list(SERVER.commands_by_name) == [
        "ls",
        "show",
        "end",
        "block",
        "unblock",
        "drain",
        "announce",
        "top",
        "links",
        "check",
        "config",
        "reload",
        "completion",
        "files",
        "help",
    ]


def test_the_contracts_options_have_their_letters() -> None:
    assert {"-p", "-s", "-r", "-d", "-v"} <= set(SERVE.all_flags)


def test_a_check_takes_what_the_server_does() -> None:
    assert set(SERVE.all_flags) - set(CHECK.all_flags) == {"--check"}


def test_what_shows_the_settings_takes_each_of_them() -> None:
    flags = {flag for setting in OPTION_SETTINGS for flag in setting.flags}
    for command in (SERVE, CHECK, CONFIG):
        assert flags | {"--config"} <= set(command.all_flags)
    assert {"--config", "-r", "--runtime-dir"} <= set(RELOAD.all_flags)
