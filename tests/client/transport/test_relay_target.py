"""Where the relay's connections go while the application does not listen yet, and afterwards."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from conductor_trio.client.host.application_socket import ApplicationSocket, open_application_socket
from conductor_trio.client.transport.relay_target import LinkTarget, RelayTarget, open_relay_target
from conductor_trio.limits.client import ClientLimits
from conductor_trio.net.unix import connect_unix
from tests.doubles.upper import ask, open_upper, read_all


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


async def test_a_socket_that_is_ours_alone_is_linked_to(short_tmp: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(short_tmp)
    async with open_relay_target(str(short_tmp / "a"), ApplicationSocket(path="app.sock"), ClientLimits()):
        assert os.readlink(short_tmp / "a") == str(short_tmp / "app.sock")


def make_shared(directory: Path) -> Path:
    """Make a directory in which others may put sockets, and return its path."""
    directory.chmod(0o755)
    (shared := directory / "shared").mkdir()
    shared.chmod(0o1777)
    return shared


@contextlib.asynccontextmanager
async def open_relayed(directory: Path, shared: Path) -> AsyncIterator[RelayTarget]:
    """Run the target, at ``a``, for an application where others could listen, too."""
    with open_application_socket(str(shared / "app"), None) as application:
        async with (
            open_relay_target(str(directory / "a"), application, ClientLimits()) as target,
            trio.open_nursery() as nursery,
        ):
            nursery.start_soon(target.run)
            with trio.fail_after(20):
                yield target
            nursery.cancel_scope.cancel()


async def test_where_others_could_listen_connections_go_through_us(short_tmp: Path) -> None:
    shared = make_shared(short_tmp)
    async with open_relayed(short_tmp, shared) as target:
        target.stand_in()
        assert await ask(str(short_tmp / "a"), b"too early") == b""
        async with open_upper(shared / "app"):
            target.lead_on()
            assert await ask(str(short_tmp / "a"), b"now") == b"NOW"
    assert not (short_tmp / "a").exists()


@pytest.mark.parametrize("is_cancelled", [False, True])
async def test_what_is_under_way_there_arrives_although_it_finishes(short_tmp: Path, is_cancelled: bool) -> None:
    words, shared = b"w" * 1_000_000, make_shared(short_tmp)
    async with open_upper(shared / "app"):
        with trio.CancelScope() as scope:
            async with open_relayed(short_tmp, shared) as target:
                visitor = await connect_unix(str(short_tmp / "a"), connect_timeout=5)
                await visitor.send_all(words)
                await visitor.send_eof()
                await wait_all_tasks_blocked()
                if is_cancelled:
                    scope.cancel()
                with trio.CancelScope(shield=True), contextlib.closing(visitor):
                    await wait_all_tasks_blocked()
                    target.finish()
                    await wait_all_tasks_blocked()
                    with pytest.raises(ConnectionRefusedError):
                        connect(short_tmp / "a")
                    assert await read_all(visitor) == words.upper()
