"""Where the relay's connections go: to the application, or to the client where ssh would not find it."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import attrs
import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from conductor_trio.client.host.application_socket import open_application_socket
from conductor_trio.client.host.temp_directory import HeldDirectory
from conductor_trio.client.transport.relay_target import RelayTarget, open_relay_target
from conductor_trio.errors import TransportError, UpstreamUnavailable
from conductor_trio.limits.client import ClientLimits
from conductor_trio.net.unix import connect_unix
from tests.doubles.upper import ask, open_upper, read_all

LIMITS = ClientLimits(look_interval=0.01, way_look_timeout=1)
NONCE = b"0123456789abcdef\n"


@attrs.frozen(kw_only=True)
class Place:
    """A target, and where things are."""

    target: RelayTarget
    directory: HeldDirectory
    application: Path

    async def ask(self, message: bytes) -> bytes:
        """Return what whoever the link leads to answers to a message; nothing where that is closed at once."""
        return await ask(self.target.link, message)

    @property
    def leads_to(self) -> str:
        return os.readlink(self.target.link)

    async def wait_leads_to(self, path: object) -> None:
        """Wait until the link leads there."""
        with trio.fail_after(20):
            while not Path(self.target.link).is_symlink() or self.leads_to != str(path):  # noqa: ASYNC110
                await trio.sleep(0.005)


@contextlib.asynccontextmanager
async def placed(short_tmp: Path, path: Path) -> AsyncIterator[Place]:
    """Give a target for an application that is to listen at the path."""
    directory = short_tmp / "d"
    directory.mkdir(mode=0o700)
    with (
        contextlib.closing(HeldDirectory(str(directory))) as held,
        open_application_socket(str(path), None) as application,
        trio.fail_after(30),
    ):
        async with open_relay_target(held, application, LIMITS) as target:
            yield Place(target=target, directory=held, application=path)


@pytest.fixture
async def place(short_tmp: Path) -> AsyncIterator[Place]:
    async with placed(short_tmp, short_tmp / "app.sock") as place:
        yield place


@pytest.fixture
async def shared(short_tmp: Path) -> AsyncIterator[Place]:
    """Where others could put another socket in the place of the application's."""
    async with placed(short_tmp, make_shared(short_tmp)) as place:
        yield place


def make_shared(directory: Path) -> Path:
    """Return the path of a socket in a directory in which others may put sockets."""
    directory.chmod(0o755)
    (shared := directory / "shared").mkdir()
    shared.chmod(0o777)
    return shared / "app.sock"


@contextlib.asynccontextmanager
async def running(target: RelayTarget) -> AsyncIterator[None]:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(target.run)
        yield
        nursery.cancel_scope.cancel()


async def test_there_is_always_someone_who_takes_a_connection(place: Place) -> None:
    async with running(place.target):
        place.target.stand_in()
        assert await place.ask(b"x") == b""
        place.target.lead_on()
        with pytest.raises(Exception, match="No such file"):
            await place.ask(b"x")
        place.target.stand_in()
        async with open_upper(place.application):
            assert await place.ask(b"early") == b"EARLY"  # passed on by us
            place.target.stand_in()  # where it is there now, it is led to
            assert place.leads_to == str(place.application)
            assert await place.ask(b"x") == b"X"


async def test_a_socket_that_lost_its_name_is_passed_on_to(place: Place) -> None:
    async with open_upper(place.application), running(place.target):
        place.target.lead_on()
        assert place.leads_to == str(place.application)
        place.application.unlink()
        await place.wait_leads_to(place.directory.path + "/s")
        assert await place.ask(b"still here") == b"STILL HERE"
        async with open_upper(place.application):  # it has bound anew
            await place.wait_leads_to(place.application)
            assert await place.ask(b"x") == b"X"


@pytest.mark.parametrize("removed", ["a", "s", "s a", "."])
async def test_what_is_removed_is_made_again(place: Place, removed: str) -> None:
    async with open_upper(place.application), running(place.target):
        place.target.lead_on()
        for name in removed.split():
            if name == ".":
                for entry in Path(place.directory.path).iterdir():
                    entry.unlink()
                os.rmdir(place.directory.path)
            else:
                os.unlink(f"{place.directory.path}/{name}")
        await place.wait_leads_to(place.application)
        assert await place.ask(b"x") == b"X"
        place.application.unlink()
        await place.wait_leads_to(place.directory.path + "/s")
        assert await place.ask(b"x") == b"X"
    assert os.stat(place.directory.path).st_mode & 0o777 == 0o700


async def test_a_directory_that_is_no_longer_ours_is_left(place: Place) -> None:
    os.rename(place.directory.path, f"{place.directory.path}.old")
    os.mkdir(place.directory.path, 0o755)
    with pytest.raises(TransportError, match="somebody else's now"), place.target.expecting(NONCE):
        pass
    with pytest.RaisesGroup(pytest.RaisesExc(TransportError, match="somebody else's now")):
        await place.target.run()
    assert os.listdir(place.directory.path) == []
    os.unlink(f"{place.directory.path}.old/s")


async def test_a_probe_goes_no_further_and_a_visitor_does(place: Place) -> None:
    async with open_upper(place.application), running(place.target):
        place.target.lead_on()
        with place.target.expecting(NONCE) as expected:
            for message in (b"", b"0", NONCE[:-1], NONCE.upper(), b"GET / HTTP/1.1\r\n\r\n"):
                assert await place.ask(message) == message.upper()
            assert not expected.arrived.is_set()
            assert await place.ask(NONCE) == b""
            assert expected.arrived.is_set()
        assert await place.ask(NONCE) == NONCE.upper()
        assert place.leads_to == str(place.application)


async def test_where_others_could_listen_connections_go_through_us(shared: Place) -> None:
    async with running(shared.target):
        shared.target.stand_in()
        assert await shared.ask(b"too early") == b""
        async with open_upper(shared.application):
            shared.target.lead_on()
            assert shared.leads_to == shared.directory.path + "/s"
            assert await shared.ask(b"now") == b"NOW"
            with shared.target.expecting(NONCE) as expected:
                assert await shared.ask(NONCE) == b""
                assert expected.arrived.is_set()
            os.unlink(shared.target.link)  # and it is made again
            await shared.wait_leads_to(shared.directory.path + "/s")
            assert await shared.ask(b"again") == b"AGAIN"


async def test_its_end_ends_what_it_relays(short_tmp: Path) -> None:
    with socket.socket(socket.AF_UNIX) as held:
        async with open_upper(make_shared(short_tmp)):
            async with placed(short_tmp, short_tmp / "shared" / "app.sock") as place, running(place.target):
                held.connect(place.target.link)
                await wait_all_tasks_blocked()
            assert held.recv(1) == b""


@pytest.mark.parametrize("is_cancelled", [False, True])
async def test_what_is_under_way_there_arrives_although_it_finishes(short_tmp: Path, is_cancelled: bool) -> None:
    words, path = b"w" * 1_000_000, make_shared(short_tmp)
    async with open_upper(path):
        with trio.CancelScope() as scope:
            async with placed(short_tmp, path) as place, running(place.target):
                visitor = await connect_unix(place.target.link, connect_timeout=5)
                await visitor.send_all(words)
                await visitor.send_eof()
                await wait_all_tasks_blocked()
                if is_cancelled:
                    scope.cancel()
                with trio.CancelScope(shield=True), contextlib.closing(visitor):
                    await wait_all_tasks_blocked()
                    place.target.finish()
                    await wait_all_tasks_blocked()
                    with pytest.raises(UpstreamUnavailable):
                        await connect_unix(place.target.link, connect_timeout=0)
                    assert await read_all(visitor) == words.upper()


async def test_a_link_of_ours_is_as_good_as_a_path_from_where_we_started(
    short_tmp: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(short_tmp)
    async with placed(short_tmp, Path("app.sock")) as place:
        assert place.leads_to == str(short_tmp / "app.sock")
