"""The relay to the application: each byte, each end, and nobody else in its place."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio

from conductor_trio.client.host.application_socket import open_application_socket
from conductor_trio.client.transport.application_relay import open_application_relay
from conductor_trio.limits.client import ClientLimits
from conductor_trio.net.listeners import open_unix_listener
from tests.doubles.upper import ask, open_upper
from tests.support.users import BOB, real_person


@contextlib.asynccontextmanager
async def open_relay(directory: Path) -> AsyncIterator[str]:
    """Relay from a socket, whose path is given, to one in a directory that others may write to."""
    (shared := directory / "shared").mkdir()
    directory.chmod(0o755)
    shared.chmod(0o1777)
    path = str(directory / "relay")
    with (
        open_unix_listener(path, 0o600) as listener,
        open_application_socket(str(shared / "app"), None) as application,
    ):
        async with (
            open_application_relay(application, ClientLimits()) as relay,
            trio.open_nursery() as nursery,
        ):
            nursery.start_soon(relay.accept, listener, relay.make_relays())
            with trio.fail_after(20):
                yield path
            nursery.cancel_scope.cancel()


async def test_connections_go_to_the_application(short_tmp: Path) -> None:
    async with open_relay(short_tmp) as path:
        assert await ask(path, b"hello") == b""  # it is not there yet
        async with open_upper(short_tmp / "shared" / "app"):
            assert await ask(path, b"hello") == b"HELLO"


async def test_and_to_nobody_else_which_is_told_once(short_tmp: Path, caplog: pytest.LogCaptureFixture) -> None:
    bob = real_person(BOB)
    async with open_relay(short_tmp) as path:
        app = short_tmp / "shared" / "app"
        async with open_upper(app):
            assert await ask(path, b"hello") == b"HELLO"
            os.chown(app, bob.uid, bob.gid)
            for _ in range(3):
                assert await ask(path, b"hello") == b""
            assert caplog.text.count("another user of this host") == 1
            os.chown(app, os.geteuid(), -1)
            assert await ask(path, b"hello") == b"HELLO"
            os.chown(app, bob.uid, bob.gid)
            assert await ask(path, b"hello") == b""
            assert caplog.text.count("another user of this host") == 2


async def test_its_end_ends_what_it_relays(short_tmp: Path) -> None:
    with socket.socket(socket.AF_UNIX) as held:
        async with open_relay(short_tmp) as path, open_upper(short_tmp / "shared" / "app"):
            held.connect(path)
            await trio.testing.wait_all_tasks_blocked()
        assert held.recv(1) == b""
