"""Host names of sessions: one for each pattern, each once, and none that could be another user's."""

from __future__ import annotations

import pytest

from conductor_trio.errors import ConfigError, RegistrationRefused
from conductor_trio.server.routing.hostnaming import HostNaming

NAMING = HostNaming.parse(["{key}-{user}.apps.test", "{key}-{user}.apps.test:8443", "{user}.{key}.x.test"])


def test_requests_come_under_each_name_once_and_clients_are_told_the_port() -> None:
    assert NAMING.hosts("lab", "alice") == ("lab-alice.apps.test", "alice.lab.x.test")
    assert NAMING.url_hosts("lab", "alice") == (
        "lab-alice.apps.test",
        "lab-alice.apps.test:8443",
        "alice.lab.x.test",
    )


def test_a_key_that_moves_the_border_to_the_user_is_refused() -> None:
    NAMING.check("lab", "alice")
    with pytest.raises(RegistrationRefused):
        NAMING.check("a-b", "alice")


@pytest.mark.parametrize("patterns", [["{key}.test"], ["{key}-{user}.test", "{user}-{key}.test"]])
def test_patterns_that_are_none_or_could_clash_are_refused(patterns: list[str]) -> None:
    with pytest.raises(ConfigError):
        HostNaming.parse(patterns)


def test_a_reserved_name_is_no_sessions() -> None:
    naming = HostNaming.parse(["{key}-{user}.apps.test", "{key}.{user}.org"], ["admin.alice.org"])
    naming.check("admin", "bob")
    with pytest.raises(RegistrationRefused, match="the gateway's own; choose another"):
        naming.check("admin", "alice")
