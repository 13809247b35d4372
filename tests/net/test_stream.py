"""Streams over real sockets: every way in which a peer can end, stall, break or never have been there."""

from __future__ import annotations

import contextlib
import functools
import os
import socket
from collections.abc import AsyncIterator, Callable

import pytest
import trio
import trio.testing

from conductor_trio.net.poller import EdgePoller, PolledStream
from conductor_trio.net.stream import SocketStream
from tests.doubles.streams import memory_stream_pair
from tests.support.sockets import receive_all, tcp_sockets

Pair = tuple[SocketStream, SocketStream]


def sockets(family: str) -> tuple[socket.socket, socket.socket]:
    return tcp_sockets() if family == "tcp" else socket.socketpair()


Make = Callable[[socket.socket], SocketStream]


@pytest.fixture(params=["trio", "poller"])
async def make(request: pytest.FixtureRequest, nursery: trio.Nursery) -> Make:
    """Make a stream over a socket; all that holds for one that waits for Trio holds for a `PolledStream`."""
    if request.param == "trio":
        return SocketStream
    poller = EdgePoller()
    nursery.start_soon(poller.run)
    await trio.testing.wait_all_tasks_blocked()
    return functools.partial(PolledStream, poller=poller, send_timeout=float("inf"))


@pytest.fixture(params=["tcp", "unix"])
async def pair(request: pytest.FixtureRequest, make: Make) -> AsyncIterator[Pair]:
    one, other = map(make, sockets(request.param))
    yield one, other
    one.close()
    other.close()


@pytest.fixture
async def unix_pair(make: Make) -> AsyncIterator[Pair]:
    one, other = map(make, sockets("unix"))
    yield one, other
    one.close()
    other.close()


@pytest.fixture
async def tcp_pair(make: Make) -> AsyncIterator[Pair]:
    one, other = map(make, sockets("tcp"))
    yield one, other
    one.close()
    other.close()


async def fill(stream: SocketStream) -> int:
    """Send until the kernel takes no more; return how much that was."""
    sent = 0
    while True:
        with trio.move_on_after(0) as scope:
            await stream.send_all(b"x" * 65536)
            sent += 65536
        if scope.cancelled_caught:
            return sent


async def test_bytes_arrive_in_order_however_they_are_cut(pair: Pair) -> None:
    one, other = pair
    data = os.urandom(2_000_003)

    async def send() -> None:
        for at in range(0, len(data), 70_001):
            await one.send_all(memoryview(data)[at : at + 70_001])
        await one.send_all(b"")
        await one.send_eof()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(send)
        assert await receive_all(other, 30_011) == data


async def test_both_directions_at_once(pair: Pair) -> None:
    data = bytes(3_000_000)
    results: list[bytes] = []

    async def send(stream: SocketStream) -> None:
        await stream.send_all(data)
        await stream.send_eof()

    async def receive(stream: SocketStream) -> None:
        results.append(await receive_all(stream))

    async with trio.open_nursery() as nursery:
        for stream in pair:
            nursery.start_soon(send, stream)
            nursery.start_soon(receive, stream)
    assert results == [data, data]


async def test_an_end_of_one_direction_leaves_the_other(pair: Pair) -> None:
    one, other = pair
    await one.send_all(b"question")
    await one.send_eof()
    assert await receive_all(other) == b"question"
    assert not other.is_fully_closed()
    await other.send_all(b"answer")
    assert await one.receive_some(100) == b"answer"


async def test_an_end_after_the_peer_s_close_is_no_error(pair: Pair) -> None:
    one, other = pair
    other.close()
    assert await one.receive_some(1) == b""
    await one.send_eof()
    await one.send_eof()


async def test_a_closed_unix_peer_shows_as_hung_up_and_a_half_closed_one_does_not(unix_pair: Pair) -> None:
    one, other = unix_pair
    await other.send_eof()
    assert await one.receive_some(1) == b""
    assert not one.is_fully_closed()
    other.close()
    assert one.is_fully_closed()


async def test_a_tcp_peer_s_fin_is_no_hang_up_but_its_reset_is(tcp_pair: Pair) -> None:
    one, other = tcp_pair
    await other.send_eof()
    assert await one.receive_some(1) == b""
    assert not one.is_fully_closed()
    other.reset()
    await trio.lowlevel.wait_readable(one)
    assert one.is_fully_closed()


async def test_a_reset_is_no_end(tcp_pair: Pair) -> None:
    one, other = tcp_pair
    other.reset()
    other.reset()
    with pytest.raises(trio.BrokenResourceError):
        await one.receive_some(1)


async def test_sending_to_a_peer_that_is_gone_breaks(pair: Pair) -> None:
    one, other = pair
    other.close()
    with pytest.raises(trio.BrokenResourceError):
        while True:
            await one.send_all(b"x" * 65536)


@pytest.mark.parametrize("family", ["tcp", "unix"])
async def test_a_peer_that_is_reset_while_we_send_breaks_the_send(family: str) -> None:
    one, other = map(SocketStream, sockets(family))
    with contextlib.closing(one), contextlib.closing(other):
        await fill(one)
        async with trio.open_nursery() as nursery:

            async def send() -> None:
                with pytest.raises(trio.BrokenResourceError):
                    await one.send_all(b"x" * 10_000_000)

            nursery.start_soon(send)
            await trio.testing.wait_all_tasks_blocked()
            other.reset()


async def test_what_was_sent_before_a_unix_peer_closed_still_arrives(unix_pair: Pair) -> None:
    one, other = unix_pair
    await one.send_all(b"never read")
    await other.send_all(b"farewell")
    other.close()
    assert await one.receive_some(100) == b"farewell"


async def test_a_stream_is_quiet_until_there_is_something_to_receive(pair: Pair) -> None:
    one, other = pair
    assert one.is_quiet()
    await other.send_all(b"abc")
    await trio.lowlevel.wait_readable(one)
    assert not one.is_quiet()
    assert await one.receive_some(3) == b"abc"
    assert one.is_quiet()
    await other.send_eof()
    await trio.lowlevel.wait_readable(one)
    assert not one.is_quiet()
    one.close()
    assert not one.is_quiet()


async def test_a_slow_reader_holds_its_writer(pair: Pair) -> None:
    one, other = pair
    await fill(one)
    finished = trio.Event()

    async def send() -> None:
        await one.send_all(b"y")
        finished.set()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(send)
        await trio.testing.wait_all_tasks_blocked()
        assert not finished.is_set()
        while not finished.is_set():
            await other.receive_some(65536)


async def test_a_peer_that_does_not_read_is_given_up(
    unix_pair: Pair, autojump_clock: trio.testing.MockClock
) -> None:
    one, _ = unix_pair
    one.send_timeout = 300
    started = trio.current_time()
    with pytest.raises(trio.TooSlowError):
        await one.send_all(b"x" * 10_000_000)
    assert trio.current_time() - started == pytest.approx(300)


async def test_a_peer_that_reads_a_little_is_not_given_up(
    unix_pair: Pair, autojump_clock: trio.testing.MockClock
) -> None:
    one, other = unix_pair
    one.send_timeout = 10
    await fill(one)
    sent = trio.Event()

    async def send() -> None:
        await one.send_all(b"x" * 3_000_000)
        sent.set()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(send)
        while not sent.is_set():
            await trio.sleep(9)
            while not other.is_quiet():  # a UNIX socket takes more once it is three quarters empty
                await other.receive_some(65536)
    assert trio.current_time() > 20  # it took longer than the limit in all


@pytest.mark.parametrize("action", ["receive", "send"])
async def test_closing_wakes_who_waits(unix_pair: Pair, action: str) -> None:
    one, _ = unix_pair
    await fill(one)
    async with trio.open_nursery() as nursery:

        async def wait() -> None:
            with pytest.raises(trio.ClosedResourceError):
                await (one.receive_some(1) if action == "receive" else one.send_all(b"x" * 10_000_000))

        nursery.start_soon(wait)
        await trio.testing.wait_all_tasks_blocked()
        one.close()


async def test_a_closed_stream_says_so(pair: Pair) -> None:
    one, _ = pair
    one.close()
    one.close()
    one.reset()
    assert one.fileno() == -1
    with pytest.raises(trio.ClosedResourceError):
        await one.send_all(b"x")
    with pytest.raises(trio.ClosedResourceError):
        await one.receive_some(1)
    await one.send_eof()
    assert one.is_fully_closed()


async def test_a_cancelled_receive_loses_nothing(pair: Pair) -> None:
    one, other = pair
    with trio.move_on_after(0):
        await one.receive_some(10)
    await other.send_all(b"kept")
    assert await one.receive_some(10) == b"kept"


# the double has the manners of a UNIX socket


async def test_the_memory_pair_does_as_sockets_do() -> None:
    one, other = memory_stream_pair()
    await one.send_all(b"question")
    await one.send_eof()
    assert await receive_all(other) == b"question"
    assert not other.is_fully_closed()
    await other.send_all(b"answer")
    other.close()
    assert await one.receive_some(3) == b"ans"
    assert await receive_all(one) == b"wer"
    assert one.is_fully_closed()
    with pytest.raises(trio.BrokenResourceError):
        await one.send_all(b"x")
    with pytest.raises(trio.ClosedResourceError):
        await other.receive_some(1)


async def test_the_memory_pair_holds_its_writer(autojump_clock: trio.testing.MockClock) -> None:
    one, other = memory_stream_pair(capacity=4)
    one.send_timeout = 3
    with pytest.raises(trio.TooSlowError):
        await one.send_all(b"12345")
    assert await other.receive_some(10) == b"1234"
    other.reset()
    with pytest.raises(trio.BrokenResourceError):
        await one.receive_some(1)
    with pytest.raises(trio.BrokenResourceError):
        await one.send_all(b"x")
