"""The limits fit together as their reasons say, and with what the kernel and the peers' programs do."""

from __future__ import annotations

import socket
from pathlib import Path

import attrs
import pytest

from conductor_trio.limits import MAX_CONTROL_LINE, MAX_SOCKET_PATH, ClientLimits, ServerLimits

SERVER, CLIENT = ServerLimits(), ClientLimits()


@pytest.mark.parametrize("limits", [SERVER, CLIENT], ids=["server", "client"])
def test_each_is_a_number_above_nothing_that_nobody_changes(limits: ServerLimits | ClientLimits) -> None:
    for field in attrs.fields(type(limits)):
        value = getattr(limits, field.name)
        assert isinstance(value, int | float) and value > 0, field.name
        with pytest.raises(attrs.exceptions.FrozenInstanceError):
            setattr(limits, field.name, 1)


@pytest.mark.parametrize(
    ("least", "most"),
    [
        (SERVER.max_target, SERVER.max_head),
        (SERVER.max_route_parked, SERVER.max_parked),
        (SERVER.park_timeout, SERVER.detached_timeout),
        (SERVER.max_user_tombstones, SERVER.max_tombstones),
        (SERVER.max_user_sessions, SERVER.max_sessions),
        (SERVER.max_route_connections, SERVER.max_visitors),
        (SERVER.drain_idle_timeout, SERVER.grace_timeout),
        (SERVER.ping_interval, SERVER.ping_timeout),
        (SERVER.route_share, 1.0),
        (CLIENT.probe_pause, CLIENT.max_probe_pause),
        (CLIENT.redial_pause, CLIENT.max_reopen_pause),
        (CLIENT.max_reopen_pause, CLIENT.max_redial_pause),
        (CLIENT.connect_timeout, CLIENT.login_timeout),
        (SERVER.ping_interval, CLIENT.ping_timeout),  # a server that pings is not taken for dead
    ],
)
def test_what_is_a_part_of_another_is_no_more_than_it(least: float, most: float) -> None:
    assert least <= most


def test_a_dead_link_is_noticed_when_it_is_promised() -> None:
    assert SERVER.ping_timeout < 30
    assert CLIENT.ping_timeout < 30
    assert CLIENT.ssh_alive_interval * (CLIENT.ssh_alive_count + 1) < 25


def test_a_kept_connection_is_given_up_before_applications_close_it() -> None:
    assert SERVER.upstream_idle_timeout < 5  # Node.js and uvicorn


def test_the_next_pause_is_longer() -> None:
    assert CLIENT.redial_growth > 1


def test_the_longest_path_is_the_kernels(short_tmp: Path) -> None:
    path = str(short_tmp / "x").ljust(MAX_SOCKET_PATH, "x")
    with socket.socket(socket.AF_UNIX) as sock:
        with pytest.raises(OSError, match="too long"):
            sock.bind(path + "x")
        sock.bind(path)
    Path(path).unlink()


def test_a_line_of_the_control_channel_is_as_long_as_the_contract_says() -> None:
    assert MAX_CONTROL_LINE == 65536
