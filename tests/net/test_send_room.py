"""What a socket's send buffer takes is told before anything is sent, of TCP and UNIX sockets alike."""

from __future__ import annotations

import contextlib
import socket

import pytest

from conductor_trio.net.send_room import send_room
from tests.support.sockets import tcp_sockets


@pytest.fixture(params=["tcp", "unix"])
def pair(request: pytest.FixtureRequest) -> tuple[socket.socket, socket.socket]:
    one, other = tcp_sockets() if request.param == "tcp" else socket.socketpair()
    one.setblocking(False)
    return one, other


def test_it_has_room_until_it_is_full_and_again_once_the_peer_has_received(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    one, other = pair
    with one, other:
        assert send_room(one) > 4096
        with contextlib.suppress(BlockingIOError):
            while True:
                one.send(bytes(65536))
        assert send_room(one) < 4096
        other.settimeout(10)
        while send_room(one) < 4096:
            other.recv(65536)


def test_what_it_has_room_for_is_taken_at_once(pair: tuple[socket.socket, socket.socket]) -> None:
    one, other = pair
    with one, other:
        room = send_room(one)
        assert one.send(bytes(room)) >= room * 3 // 4


def test_a_closed_one_has_room_so_that_sending_tells() -> None:
    one, other = socket.socketpair()
    other.close()
    one.close()
    assert send_room(one) > 1 << 30
