"""Connections to UNIX sockets: who listens is reached, and what cannot be reached is told by its status."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import trio
import trio.testing

from conductor_trio.errors import UpstreamUnavailable
from conductor_trio.net.unix import connect_unix
from tests.support.sockets import full_backlog


async def test_connect_reaches_who_listens(short_tmp: Path) -> None:
    path = short_tmp / "s"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        stream = await connect_unix(str(path), connect_timeout=5, send_timeout=7)
        with contextlib.closing(stream), listener.accept()[0] as accepted:
            assert stream.send_timeout == 7
            accepted.sendall(b"hello")
            assert await stream.receive_some(10) == b"hello"
    path.unlink()


@pytest.mark.parametrize("what", ["nothing", "file", "dead", "directory", "datagram", "too long"])
async def test_what_cannot_be_connected_to_is_unavailable(short_tmp: Path, what: str) -> None:
    path = short_tmp / ("s" * 120 if what == "too long" else "s")
    with contextlib.ExitStack() as stack:
        if what == "file":
            path.touch()
        elif what == "directory":
            path.mkdir()
        elif what in ("dead", "datagram"):
            kind = socket.SOCK_STREAM if what == "dead" else socket.SOCK_DGRAM
            stack.enter_context(socket.socket(socket.AF_UNIX, kind)).bind(str(path))
        with pytest.raises(UpstreamUnavailable) as unavailable:
            await connect_unix(str(path), connect_timeout=5)
        assert unavailable.value.status == 502
        assert "\n" not in str(unavailable.value)
    if path.is_socket():
        path.unlink()


@pytest.mark.parametrize("path", ["/tmp/a\0b", "\0abstract", "/tmp/\ud800", "\0"])
async def test_what_is_no_path_is_unavailable(path: str) -> None:
    with pytest.raises(UpstreamUnavailable, match="none"):
        await connect_unix(path, connect_timeout=5)


@pytest.fixture
def busy(short_tmp: Path) -> Iterator[tuple[str, socket.socket]]:
    """Give the path of a socket whose backlog is full, and its listener."""
    path = short_tmp / "busy"
    with full_backlog(str(path)) as listener:
        yield str(path), listener
    path.unlink()


def accept_last(listener: socket.socket) -> socket.socket:
    """Return the connection that came after all others that wait."""
    listener.setblocking(False)
    last = listener.accept()[0]
    with contextlib.suppress(BlockingIOError):
        while True:
            later = listener.accept()[0]
            last.close()
            last = later
    return last


async def test_a_full_backlog_is_503_after_the_timeout(
    busy: tuple[str, socket.socket], autojump_clock: trio.testing.MockClock
) -> None:
    with pytest.raises(UpstreamUnavailable) as unavailable:
        await connect_unix(busy[0], connect_timeout=5)
    assert unavailable.value.status == 503
    assert trio.current_time() == pytest.approx(5, abs=0.1)


async def test_a_backlog_that_empties_in_time_is_waited_for(
    busy: tuple[str, socket.socket], autojump_clock: trio.testing.MockClock
) -> None:
    path, listener = busy

    async with trio.open_nursery() as nursery:

        async def accept_late() -> None:
            await trio.sleep(3)
            listener.accept()[0].close()

        nursery.start_soon(accept_late)
        stream = await connect_unix(path, connect_timeout=5)
    with contextlib.closing(stream), accept_last(listener) as accepted:
        await stream.send_all(b"at last")
        assert accepted.recv(10) == b"at last"


async def test_waiting_for_a_backlog_can_be_cancelled(busy: tuple[str, socket.socket]) -> None:
    with trio.CancelScope() as scope:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(partial(connect_unix, busy[0], connect_timeout=60))
            await trio.testing.wait_all_tasks_blocked(0.02)
            scope.cancel()
    assert scope.cancelled_caught
