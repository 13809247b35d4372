"""The client's limits fit together as their reasons say."""

from __future__ import annotations

import pytest

from conductor_trio.limits.client import ClientLimits

CLIENT = ClientLimits()


@pytest.mark.parametrize(
    ("least", "most"),
    [
        (CLIENT.probe_pause, CLIENT.max_probe_pause),
        (CLIENT.redial_pause, CLIENT.max_reopen_pause),
        (CLIENT.max_reopen_pause, CLIENT.max_redial_pause),
        (CLIENT.connect_timeout, CLIENT.login_timeout),
    ],
)
def test_what_is_a_part_of_another_is_no_more_than_it(least: float, most: float) -> None:
    assert least <= most


def test_a_dead_link_is_noticed_when_it_is_promised() -> None:
    assert CLIENT.ping_timeout < 30
    assert CLIENT.ssh_alive_interval * (CLIENT.ssh_alive_count + 1) < 25


def test_the_next_pause_is_longer() -> None:
    assert CLIENT.redial_growth > 1
