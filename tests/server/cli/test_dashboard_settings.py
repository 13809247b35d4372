"""The settings of the dashboard: where it is, who may reach it, whom the single sign-on makes an operator."""

from __future__ import annotations

import pytest

from conductor_trio.commandline.parser import parse
from conductor_trio.errors import ConfigError
from conductor_trio.server.cli.arguments import read_settings
from conductor_trio.server.cli.table import SERVER
from conductor_trio.server.settings import ServerSettings

SSO = ["-s", "front", "--sso-user-header", "X-Forwarded-User"]
GROUPS = [*SSO, "--sso-groups-header", "X-Forwarded-Groups", "--sso-admin-group", "ops"]


def settings(*options: str) -> ServerSettings:
    return read_settings(parse(SERVER, options).given)


def test_where_it_is() -> None:
    told = settings("--admin-host", "Admin.Apps.Example.org.:8443", "--admin-network", "10.1.0.0/16")
    assert told.admin_host == "admin.apps.example.org:8443" and told.admin_networks == ("10.1.0.0/16",)
    assert told.reserved_hosts == ("admin.apps.example.org",)
    assert (settings().admin_host, settings().reserved_hosts) == (None, ())


def test_whose_groups_count() -> None:
    sso = settings(*GROUPS, "--admin-host", "admin.test").sso
    assert sso is not None
    assert (sso.groups_field, sso.admin_groups) == (b"x-forwarded-groups", ("ops",))
    assert b"x-forwarded-groups" in sso.fields


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (["--admin-host", "https://admin.test"], "is no host name"),
        (["--admin-host", "admin.test:0"], "is no host name"),
        (["--admin-host", "a b"], "is no host name"),
        (["--admin-host", "[::1]"], "is no host name"),
        (["--admin-network", "10.0.0.0/8"], "needs --admin-host"),
        (["--admin-host", "admin.test", "--admin-network", "x"], "x"),
        (GROUPS, "needs --admin-host"),
        ([*SSO, "--admin-host", "a.test", "--sso-admin-group", "ops"], "needs --sso-groups-header"),
        (["--sso-admin-group", "ops", "--admin-host", "a.test"], "needs --sso-user-header"),
        ([*GROUPS[:-1], "a,b", "--admin-host", "a.test"], "no name of a group"),
        ([*SSO, "--require-sso", "--admin-host", "a.test"], "no group is named"),
    ],
)
def test_what_nobody_can_have_meant_is_refused(options: list[str], why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        settings(*options)
