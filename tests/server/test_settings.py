"""Settings are values: nobody changes them, and what is not said is the contract's default."""

from __future__ import annotations

import attrs
import pytest

from conductor_trio.limits.constants import DEFAULT_PORT
from conductor_trio.limits.server import ServerLimits
from conductor_trio.server.settings import OwnLimits, ServerSettings, TlsSettings, UserRules

SETTINGS = ServerSettings(runtime_dir="/run/x", patterns=("{key}.test",))


def test_what_is_not_said() -> None:
    assert (SETTINGS.host, SETTINGS.port, SETTINGS.socket) == ("127.0.0.1", DEFAULT_PORT, None)
    assert SETTINGS.tls is None
    assert SETTINGS.trusted_proxies == SETTINGS.allowed_origins == ()
    assert SETTINGS.limits == ServerLimits()
    assert not (SETTINGS.verbose or SETTINGS.take_over)
    assert TlsSettings(cert_file="c", key_file="k").allowed_clients is None


def test_nobody_changes_them_and_equal_ones_are_equal() -> None:
    for field in attrs.fields(ServerSettings):
        with pytest.raises(attrs.exceptions.FrozenInstanceError):
            setattr(SETTINGS, field.name, None)
    assert attrs.evolve(SETTINGS, port=1) != SETTINGS
    assert attrs.evolve(SETTINGS) == SETTINGS


# Who may have sessions, and how many.

RULES = UserRules(
    allow=("@staff", "@students", "guest"),
    deny=("@suspended", "mallory"),
    users={"alice": OwnLimits(max_sessions=50)},
    groups={"students": OwnLimits(max_sessions=3, max_new_sessions=9), "tutors": OwnLimits(max_sessions=7)},
)


@pytest.mark.parametrize(
    ("user", "groups", "is_admitted"),
    [
        ("alice", {"staff"}, True),
        ("alice", {"others"}, False),
        ("alice", set(), False),
        ("guest", set(), True),
        ("mallory", {"staff"}, False),  # the user before the group
        ("guest", {"suspended"}, True),  # the user before the group
        ("alice", {"staff", "suspended"}, False),  # of groups, those that are denied
        ("@staff", set(), False),
    ],
)
def test_who_is_admitted(user: str, groups: set[str], is_admitted: bool) -> None:
    assert RULES.admits(user, groups) is is_admitted


def test_without_a_word_everybody_is_admitted_and_with_an_empty_list_nobody() -> None:
    assert UserRules().admits("alice", set())
    assert not UserRules(allow=()).admits("alice", {"staff"})
    assert UserRules(deny=("bob",)).admits("alice", set())


@pytest.mark.parametrize(
    ("user", "groups", "limits"),
    [
        ("carol", set(), OwnLimits()),
        ("carol", {"students"}, OwnLimits(max_sessions=3, max_new_sessions=9)),
        ("carol", {"students", "tutors"}, OwnLimits(max_sessions=7, max_new_sessions=9)),  # the largest
        ("alice", {"students"}, OwnLimits(max_sessions=50, max_new_sessions=9)),  # the user's own first
    ],
)
def test_how_many_one_may_have(user: str, groups: set[str], limits: OwnLimits) -> None:
    assert RULES.limits_of(user, groups) == limits


def test_whom_the_rules_know() -> None:
    assert RULES.known_groups == {"staff", "students", "suspended", "tutors"}
    assert RULES.known_users == {"alice", "guest", "mallory"}
    assert UserRules().known_groups == UserRules().known_users == frozenset()
