"""Where the relay's connections go while the application does not listen yet, and afterwards."""

from __future__ import annotations

import contextlib
import os
import socket
from pathlib import Path

import pytest
import trio

from conductor_trio.client.host.application_socket import ApplicationSocket, open_application_socket
from conductor_trio.client.transport.relay_target import LinkTarget, open_relay_target
from conductor_trio.limits.client import ClientLimits
from tests.doubles.upper import ask, open_upper


def connect(path: Path) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX)
    try:
        sock.connect(str(path))
    except OSError:
        sock.close()
        raise
    return sock


def test_there_is_always_someone_who_takes_a_connection(short_tmp: Path) -> None:
    link, application = short_tmp / "a", short_tmp / "app.sock"
    link.symlink_to(application)
    with contextlib.closing(LinkTarget(str(link))) as target:
        with pytest.raises(FileNotFoundError):
            connect(link)
        for _ in range(2):
            target.stand_in()
            with connect(link):
                pass
        target.lead_on()
        with pytest.raises(FileNotFoundError):
            connect(link)
        target.stand_in()
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(application))
            listener.listen()
            target.stand_in()  # where it is there now, it is led to
            with connect(link), listener.accept()[0]:
                pass
        application.unlink()
    assert os.listdir(short_tmp) == ["a"]


def test_what_waits_at_the_stand_in_ends_with_it(short_tmp: Path) -> None:
    link = short_tmp / "a"
    link.symlink_to(short_tmp / "app.sock")
    with contextlib.closing(LinkTarget(str(link))) as target:
        target.stand_in()
        with connect(link) as waiting:
            target.lead_on()
            with contextlib.suppress(ConnectionResetError):
                assert waiting.recv(1) == b""


def test_a_socket_that_is_ours_alone_is_linked_to(short_tmp: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(short_tmp)
    with open_relay_target(str(short_tmp / "a"), ApplicationSocket(path="app.sock"), ClientLimits()):
        assert os.readlink(short_tmp / "a") == str(short_tmp / "app.sock")


async def test_where_others_could_listen_connections_go_through_us(short_tmp: Path) -> None:
    short_tmp.chmod(0o755)
    (shared := short_tmp / "shared").mkdir()
    shared.chmod(0o1777)
    with (
        open_application_socket(str(shared / "app"), None) as application,
        open_relay_target(str(short_tmp / "a"), application, ClientLimits()) as target,
    ):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(target.run)
            with trio.fail_after(20):
                target.stand_in()
                assert await ask(str(short_tmp / "a"), b"too early") == b""
                async with open_upper(shared / "app"):
                    target.lead_on()
                    assert await ask(str(short_tmp / "a"), b"now") == b"NOW"
            nursery.cancel_scope.cancel()
    assert not (short_tmp / "a").exists()
