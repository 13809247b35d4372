"""The transport without SSH: a control socket on this host, and relay sockets in which we listen ourselves."""

from __future__ import annotations

import contextlib
import os
import socket
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from conductor_trio.client.config.address import ServerAddress
from conductor_trio.client.config.launch import Launch
from conductor_trio.client.config.settings import ClientSettings
from conductor_trio.client.host.application_socket import ApplicationSocket
from conductor_trio.client.transport.base import ServerAway
from conductor_trio.client.transport.local import LocalTransport, open_local
from conductor_trio.errors import TransportError
from conductor_trio.limits.client import ClientLimits
from conductor_trio.limits.linger import LingerLimits
from conductor_trio.net.stream import SocketStream
from conductor_trio.net.unix import connect_unix
from tests.doubles.control_server import open_control_server
from tests.doubles.upper import ask, open_upper, read_all


@contextlib.asynccontextmanager
async def open_transport(directory: Path) -> AsyncIterator[LocalTransport]:
    """Give the transport to ``client`` for an application at ``app``, both in a directory."""
    settings = ClientSettings(
        server=ServerAddress(host=None, path=str(directory / "client")),
        local_socket=None,
        launch=Launch(command=()),
        token="t0ken",
        limits=ClientLimits(),
    )
    with trio.fail_after(20), contextlib.closing(ApplicationSocket(str(directory / "app"))) as held:
        async with open_local(settings, held) as transport:
            yield transport


async def test_the_control_socket_is_connected_to(short_tmp: Path) -> None:
    async with open_control_server(short_tmp), open_transport(short_tmp) as transport:
        with contextlib.closing(await transport.connect_control()) as stream:
            assert (await stream.receive_some(65536)).startswith(b'{"directory"')


async def test_where_there_is_no_server_it_is_away(short_tmp: Path) -> None:
    async with open_transport(short_tmp) as transport:
        with pytest.raises(ServerAway, match=r"there is no conductor-trio-server at .* is it running") as caught:
            await transport.connect_control()
    assert caught.value.hop == "server"


async def test_within_a_relay_visitors_reach_the_application(short_tmp: Path) -> None:
    relay = short_tmp / "relay"
    async with open_upper(short_tmp / "app"), open_transport(short_tmp) as transport:
        async with transport.open_relay(str(relay)):
            assert stat.S_IMODE(os.lstat(relay).st_mode) == 0o660
            for message in (b"hello", b"x" * 1_000_000):
                assert await ask(str(relay), message) == message.upper()
        assert not relay.exists()


async def test_who_comes_before_the_application_listens_is_turned_away_and_the_next_is_not(
    short_tmp: Path,
) -> None:
    relay = str(short_tmp / "relay")
    async with open_transport(short_tmp) as transport, transport.open_relay(relay):
        assert await ask(relay, b"too early") == b""
        async with open_upper(short_tmp / "app"):
            assert await ask(relay, b"now") == b"NOW"


async def test_a_visitor_who_stays_does_not_hold_up_the_end(short_tmp: Path) -> None:
    relay = str(short_tmp / "relay")
    async with open_upper(short_tmp / "app"), open_transport(short_tmp) as transport:
        async with transport.open_relay(relay):
            stream = await connect_unix(relay, connect_timeout=5)
            await stream.send_all(b"half a")
        with contextlib.closing(stream):
            assert await read_all(stream) == b""


WORDS = b"w" * 1_000_000


@contextlib.asynccontextmanager
async def words_under_way(directory: Path) -> AsyncIterator[tuple[LocalTransport, SocketStream]]:
    """Have an application's last words be under way to a visitor when the relay goes."""

    async def speak(stream: trio.SocketStream) -> None:
        async with stream:
            await stream.send_all(WORDS)

    with trio.socket.socket(socket.AF_UNIX) as sock:
        await sock.bind(str(directory / "app"))
        sock.listen()
        async with open_transport(directory) as transport, trio.open_nursery() as nursery:
            await nursery.start(trio.serve_listeners, speak, [trio.SocketListener(sock)])
            async with transport.open_relay(str(directory / "relay")):
                stream = await connect_unix(str(directory / "relay"), connect_timeout=5)
                await wait_all_tasks_blocked()
            with contextlib.closing(stream):
                yield transport, stream
            nursery.cancel_scope.cancel()
    (directory / "app").unlink()


async def test_what_is_under_way_arrives_although_the_relay_is_gone(short_tmp: Path) -> None:
    async with words_under_way(short_tmp) as (_, visitor):
        assert await read_all(visitor) == WORDS


async def test_the_last_words_are_waited_for(short_tmp: Path) -> None:
    async with words_under_way(short_tmp) as (transport, visitor), trio.open_nursery() as nursery:
        is_over = trio.Event()

        async def finish() -> None:
            await transport.finish(trio.Event())
            is_over.set()

        nursery.start_soon(finish)
        await wait_all_tasks_blocked()
        assert not is_over.is_set()
        assert await read_all(visitor) == WORDS
        await is_over.wait()


@pytest.mark.parametrize("is_hurried", [True, False])
async def test_but_not_for_ever(short_tmp: Path, is_hurried: bool, autojump_clock: MockClock) -> None:
    hurry = trio.Event()
    if is_hurried:
        hurry.set()
    async with words_under_way(short_tmp) as (transport, _):
        await transport.finish(hurry)
        expected = 0 if is_hurried else LingerLimits().ended_session_timeout
        assert trio.current_time() == pytest.approx(expected)


async def test_two_relays_stand_side_by_side(short_tmp: Path) -> None:
    """As while the server asks to move: the next one is there before the former one goes."""
    former, later = str(short_tmp / "1"), str(short_tmp / "2")
    async with (
        open_upper(short_tmp / "app"),
        open_transport(short_tmp) as transport,
        transport.open_relay(later),
    ):
        async with transport.open_relay(former):
            assert await ask(former, b"a") == b"A"
        assert await ask(later, b"b") == b"B"


async def test_a_relay_that_cannot_be_made_is_told(short_tmp: Path) -> None:
    async with open_transport(short_tmp) as transport:
        with pytest.raises(TransportError, match="the relay socket cannot be made"):
            async with transport.open_relay(str(short_tmp / "no/relay")):
                raise AssertionError("it is there")
