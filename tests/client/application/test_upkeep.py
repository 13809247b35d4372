"""The upkeep of the application's socket and directory: told once, held all the while."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import attrs
import pytest
import trio
import trio.lowlevel

from conductor_trio.client.application.upkeep import Upkeep
from conductor_trio.client.host.held_socket import HeldSocket
from conductor_trio.client.host.temp_directory import HeldDirectory
from conductor_trio.client.output import events
from conductor_trio.limits.client import ClientLimits


@attrs.define(eq=False)
class Place:
    """An application's socket and directory, and what has been reported of them."""

    socket: HeldSocket
    directory: HeldDirectory
    sent: list[events.Report] = attrs.field(factory=list)
    grown: trio.Event = attrs.field(factory=trio.Event)

    def send(self, report: events.Report) -> None:
        self.sent.append(report)
        self.grown.set()

    @contextlib.asynccontextmanager
    async def kept(self) -> AsyncIterator[trio.Event]:
        """Look after them; the event is to be set once the application listens."""
        limits = ClientLimits(look_interval=0.01, touch_interval=0)
        upkeep = Upkeep(socket=self.socket, directory=self.directory, output=self, limits=limits)
        ready = trio.Event()
        with trio.fail_after(20):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(upkeep.run, ready)
                yield ready
                nursery.cancel_scope.cancel()


@pytest.fixture
def place(short_tmp: Path) -> Iterator[Place]:
    (short_tmp / "d").mkdir(mode=0o700)
    with (
        contextlib.closing(HeldDirectory(str(short_tmp / "d"))) as directory,
        contextlib.closing(HeldSocket(f"{directory.path}/socket")) as held,
    ):
        yield Place(held, directory)


@contextlib.contextmanager
def listening(path: str) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(path)
        sock.listen()
        yield sock
    Path(path).unlink(missing_ok=True)


async def wait_until_there(path: str) -> None:
    while not Path(path).exists():  # noqa: ASYNC110
        await trio.sleep(0.005)


async def test_a_socket_that_lost_its_name_is_told_of_once_each_time(place: Place) -> None:
    with listening(place.socket.path):
        async with place.kept() as ready:
            ready.set()
            while not place.socket.hold():  # noqa: ASYNC110
                await trio.lowlevel.checkpoint()
            for times in (1, 2):
                with contextlib.ExitStack() as stack:
                    if times == 2:
                        stack.enter_context(listening(place.socket.path))
                        await trio.sleep(0.1)
                    place.grown = trio.Event()
                    os.unlink(place.socket.path)
                    os.rmdir(place.directory.path)  # and is made again, for what else the application puts there
                    await place.grown.wait()
                    await wait_until_there(place.directory.path)
                    await trio.sleep(0.1)
                    assert len(place.sent) == times
                    [*_, told] = place.sent
                    assert isinstance(told, events.Warned)
                    assert place.socket.path in told.text


async def test_an_application_that_has_closed_it_is_not_told_of(place: Place) -> None:
    async with place.kept() as ready:
        with listening(place.socket.path):
            place.socket.hold()
            ready.set()
        await trio.sleep(0.1)
        assert not place.sent


async def test_what_is_kept_looks_used(place: Place) -> None:
    with listening(place.socket.path):
        async with place.kept() as ready:
            beside = Path(place.directory.path, "beside")
            beside.touch()
            os.utime(beside, (0, 0))
            os.utime(place.socket.path, (0, 0))
            ready.set()
            while min(beside.stat().st_atime, os.stat(place.socket.path).st_mtime) < 1e9:  # noqa: ASYNC110
                await trio.sleep(0.005)
