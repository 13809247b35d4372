"""Listeners of the parent (sd_listen_fds(3)): taken where they are meant for us, named where they are none."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest

from conductor_trio.errors import StartError
from conductor_trio.net.socket_activation import open_inherited_listeners

FIRST = 3


@contextlib.contextmanager
def inheriting(sock: socket.socket | IO[str]) -> Iterator[dict[str, str]]:
    """Have the socket at the first place that the protocol names, and give the environment that tells so."""
    former = os.dup(FIRST) if os.path.lexists(f"/proc/self/fd/{FIRST}") else None
    os.dup2(sock.fileno(), FIRST)
    try:
        yield {"LISTEN_FDS": "1", "LISTEN_PID": str(os.getpid()), "LISTEN_FDNAMES": "x", "HOME": "/"}
    finally:
        if former is None:
            with contextlib.suppress(OSError):
                os.close(FIRST)
        else:
            os.dup2(former, FIRST)
            os.close(former)


def test_a_listener_is_taken_and_no_child_gets_it_or_hears_of_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, inheriting(server) as environment:
        with open_inherited_listeners(environment) as listeners:
            [listener] = listeners
            assert listener.is_inherited
            assert listener.sock.getsockname() == server.getsockname()
            assert not os.get_inheritable(FIRST)
        assert environment == {"HOME": "/"}
        assert listener.sock.fileno() == -1


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"LISTEN_FDS": "1"},
        {"LISTEN_FDS": "1", "LISTEN_PID": "1"},
        {"LISTEN_PID": str(os.getpid())},
        {"LISTEN_FDS": "0", "LISTEN_PID": str(os.getpid())},
    ],
)
def test_what_is_meant_for_another_process_is_left_alone_and_not_passed_on(environment: dict[str, str]) -> None:
    with open_inherited_listeners(environment) as listeners:
        assert listeners == []
    assert environment == {}


@pytest.mark.parametrize("count", ["x", "-1", "1.0", "\u0663"])
def test_a_count_that_is_no_number_is_named(count: str) -> None:
    environment = {"LISTEN_FDS": count, "LISTEN_PID": str(os.getpid())}
    with pytest.raises(StartError, match="LISTEN_FDS"), open_inherited_listeners(environment):
        pass


def test_a_descriptor_that_is_no_socket_is_named(tmp_path: Path) -> None:
    with (
        (tmp_path / "x").open("w") as file,
        inheriting(file) as environment,
        pytest.raises(StartError, match="descriptor 3 is no socket"),
        open_inherited_listeners(environment),
    ):
        pass


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
def test_a_socket_that_does_not_listen_is_named(kind: socket.SocketKind) -> None:
    with (
        socket.socket(socket.AF_INET, kind) as sock,
        inheriting(sock) as environment,
        pytest.raises(StartError, match="descriptor 3 does not listen"),
        open_inherited_listeners(environment),
    ):
        pass
