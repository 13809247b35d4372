"""The server's table: its commands, and the limits that the operator can set."""

from __future__ import annotations

import pytest

from conductor_trio.limits.server import ServerLimits
from conductor_trio.server.cli.table import CHECK, LIMITS, SERVE, SERVER, Limit


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
        "check",
        "completion",
        "help",
    ]


def test_the_contracts_options_have_their_letters() -> None:
    assert {"-p", "-s", "-r", "-d", "-v"} <= set(SERVE.all_flags)


def test_a_check_takes_what_the_server_does() -> None:
    assert set(SERVE.all_flags) - set(CHECK.all_flags) == {"--check"}


@pytest.mark.parametrize("limit", LIMITS, ids=lambda limit: limit.option.flags[0])
def test_an_option_has_the_words_of_its_limit(limit: Limit) -> None:
    field = limit.option.field
    assert limit.option.default == getattr(ServerLimits(), field)
    words = [flag.removeprefix("--").replace("-", "_") for flag in limit.option.flags]
    assert field in words or field == f"{words[0]}_timeout"
