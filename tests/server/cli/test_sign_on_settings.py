"""What the operator may say of a single sign-on, on the command line."""

from __future__ import annotations

import pytest

from conductor_trio.access.grants import SingleSignOn
from conductor_trio.commandline.parser import parse
from conductor_trio.errors import ConfigError
from conductor_trio.server.cli.arguments import read_settings
from conductor_trio.server.cli.sign_on_settings import SIGN_ON, SSO_MORE, SSO_USER_HEADER
from conductor_trio.server.cli.table import SERVER
from conductor_trio.server.settings import ServerSettings

NAMED = ["-s", "x", "--sso-user-header", "X-Forwarded-User"]


def parse_settings(argv: list[str]) -> ServerSettings:
    return read_settings(parse(SERVER, argv).given)


def test_groups_are_listed_by_another_field() -> None:
    settings = parse_settings([*NAMED, "--sso-groups-header", "X-Forwarded-Groups", "--sso-groups-separator", "|"])
    assert settings.sso == SingleSignOn(
        user_field=b"x-forwarded-user", groups_field=b"x-forwarded-groups", groups_separator="|"
    )
    assert settings.sso.fields == {b"x-forwarded-user", b"x-forwarded-groups"}
    sso = parse_settings(NAMED).sso
    assert sso is not None and sso.groups_field is None and sso.groups_separator == ","


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["-s", "x", "--sso-groups-header", "X-Groups"], "needs --sso-user-header"),
        (["-s", "x", "--sso-groups-separator", "|"], "needs --sso-user-header"),
        ([*NAMED, "--sso-groups-header", "x-forwarded-user"], "names the user already"),
        ([*NAMED, "--sso-groups-header", "Cookie"], "no name of a field"),
        ([*NAMED, "--sso-groups-header", "X_Request_Id"], "no name of a field"),
        *(([*NAMED, f"--sso-groups-separator={text}"], "no separator") for text in ("", ", ", "a", "\n", "\x00")),
    ],
)
def test_what_makes_no_sense_is_told(argv: list[str], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        parse_settings(argv)


def test_every_setting_of_it_stands_in_the_table_once() -> None:
    fields = [setting.field for setting in SIGN_ON]
    assert len(fields) == len(set(fields))
    assert {SSO_USER_HEADER, *SSO_MORE} < set(SIGN_ON)
