"""The server's limits fit together as their reasons say, and with what peers' programs do."""

from __future__ import annotations

import pytest

from conductor_trio.limits.client import ClientLimits
from conductor_trio.limits.server import ServerLimits

SERVER, CLIENT = ServerLimits(), ClientLimits()


@pytest.mark.parametrize(
    ("least", "most"),
    [
        (SERVER.max_target, SERVER.max_head),
        (SERVER.max_route_parked, SERVER.max_parked),
        (SERVER.park_timeout, SERVER.detached_timeout),
        (SERVER.max_user_tombstones, SERVER.max_tombstones),
        (SERVER.max_user_sessions, SERVER.max_sessions),
        (SERVER.max_route_connections, SERVER.max_user_connections),
        (SERVER.max_user_connections, SERVER.max_visitors),
        (SERVER.max_address_visitors, SERVER.max_visitors),
        (SERVER.max_user_unregistered, SERVER.max_user_sessions),
        (SERVER.max_route_parked, SERVER.max_user_parked),
        (SERVER.max_user_parked, SERVER.max_parked),
        (SERVER.max_session_pages, SERVER.max_user_pages),
        (SERVER.max_remembered_per_user, SERVER.max_remembered),
        (SERVER.max_account_held, SERVER.max_held),
        (SERVER.head_read_size, SERVER.max_head),
        (SERVER.drain_idle_timeout, SERVER.grace_timeout),
        (SERVER.ping_interval, SERVER.ping_timeout),
        (SERVER.processor_share, 1.0),
        (SERVER.ping_interval, CLIENT.ping_timeout),  # a server that pings is not taken for dead
    ],
)
def test_what_is_a_part_of_another_is_no_more_than_it(least: float, most: float) -> None:
    assert least <= most


def test_a_dead_link_is_noticed_when_it_is_promised() -> None:
    assert SERVER.ping_timeout < 30


def test_a_kept_connection_is_given_up_before_applications_close_it() -> None:
    assert SERVER.upstream_idle_timeout < 5  # Node.js and uvicorn
