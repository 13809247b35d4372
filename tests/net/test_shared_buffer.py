"""The shared buffer is empty whenever anybody waits, and tells a source that fails from a sink that does."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import AsyncIterator

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from conductor_trio.net.shared_buffer import SharedBuffer, SinkLost
from conductor_trio.net.stream import SocketStream, Stream
from tests.doubles.streams import memory_stream_pair
from tests.support.sockets import tcp_sockets

Pair = tuple[SocketStream, SocketStream]

SIZE = 1000


@pytest.fixture(params=["tcp", "unix"])
async def pair(request: pytest.FixtureRequest) -> AsyncIterator[Pair]:
    """Give a source's two ends."""
    if request.param == "tcp":
        with socket.create_server(("127.0.0.1", 0)) as listener:
            sockets = socket.create_connection(listener.getsockname()), listener.accept()[0]
    else:
        sockets = socket.socketpair()
    one, other = map(SocketStream, sockets)
    yield one, other
    one.close()
    other.close()


@pytest.fixture
async def unix_pair() -> AsyncIterator[Pair]:
    """Give a sink's two ends."""
    one, other = map(SocketStream, socket.socketpair())
    yield one, other
    one.close()
    other.close()


def fill(stream: SocketStream) -> None:
    while stream.send_nowait(bytes(65536)):
        pass


async def receive_all(stream: Stream, max_bytes: int) -> bytes:
    data = bytearray()
    while piece := await stream.receive_some(max_bytes):
        data += piece
    return bytes(data)


async def test_it_receives_no_more_than_it_holds_or_than_is_asked_for(pair: Pair, unix_pair: Pair) -> None:
    (one, source), (sink, other) = pair, unix_pair
    buffer = SharedBuffer(SIZE)
    data = os.urandom(3 * SIZE)
    await one.send_all(data)
    await one.send_eof()
    assert await buffer.receive_then_send(source, sink) == (SIZE, b"")
    assert await buffer.receive_then_send(source, sink, 10) == (10, b"")
    assert await buffer.receive_then_send(source, sink, 10 * SIZE) == (SIZE, b"")
    assert await buffer.receive_then_send(source, sink) == (SIZE - 10, b"")
    assert await buffer.receive_then_send(source, sink) == (0, b"")
    assert await other.receive_some(10 * SIZE) == data


async def test_what_the_sink_does_not_take_is_no_longer_in_the_buffer(pair: Pair) -> None:
    one, source = pair
    sink, _ = memory_stream_pair()  # which does not tell what it has room for, and takes nothing at once
    buffer = SharedBuffer(SIZE)
    await one.send_all(b"a" * SIZE)
    count, rest = await buffer.receive_then_send(source, sink)
    assert (count, rest) == (SIZE, b"a" * SIZE)
    # Somebody else's bytes go through before the rest is sent.
    there, back = memory_stream_pair()
    await there.send_all(b"b" * SIZE)
    elsewhere, _ = memory_stream_pair()
    assert (await buffer.receive_then_send(back, elsewhere))[0] == SIZE
    assert rest == b"a" * SIZE


@pytest.fixture(params=["tcp", "unix"])
async def sink_pair(request: pytest.FixtureRequest) -> AsyncIterator[Pair]:
    """Give a sink's two ends."""
    one, other = map(SocketStream, tcp_sockets() if request.param == "tcp" else socket.socketpair())
    yield one, other
    one.close()
    other.close()


async def test_nothing_is_received_for_a_sink_that_is_full(pair: Pair, sink_pair: Pair) -> None:
    (one, source), (sink, other) = pair, sink_pair
    size = 384 * 1024
    buffer = SharedBuffer(size)
    fill(sink)
    await one.send_all(b"a" * SIZE)
    passed: list[tuple[int, bytes]] = []

    async def pass_on() -> None:
        passed.append(await buffer.receive_then_send(source, sink))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(pass_on)
        await trio.testing.wait_all_tasks_blocked()
        assert source.has_unread()
        assert passed == []
        while not passed:
            await other.receive_some(size)
            await trio.testing.wait_all_tasks_blocked(0.01)
    assert passed == [(SIZE, b"")]


async def test_what_is_received_for_a_sink_that_is_nearly_full_is_what_it_takes(sink_pair: Pair) -> None:
    sink, other = sink_pair
    size = 384 * 1024
    far, source = map(SocketStream, tcp_sockets())
    with contextlib.closing(far), contextlib.closing(source):
        held, total, received = [], 0, 0
        buffer = SharedBuffer(size)

        async def send() -> None:
            await far.send_all(bytes(40 * size))
            await far.send_eof()

        async def pass_on() -> None:
            nonlocal total
            while True:
                count, rest = await buffer.receive_then_send(source, sink)
                held.append(len(rest))
                total += count
                if not count:
                    await sink.send_eof()
                    return
                await sink.send_all(rest)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(send)
            nursery.start_soon(pass_on)
            while data := await other.receive_some(size // 3):
                received += len(data)
                await trio.testing.wait_all_tasks_blocked(0.001)
        assert total == received == 40 * size
        assert max(held) <= 16 * 1024


async def test_a_sink_that_never_has_room_is_told_from_a_source_that_fails(
    sink_pair: Pair, autojump_clock: trio.testing.MockClock
) -> None:
    far, source = memory_stream_pair()
    await far.send_all(b"abc")
    sink, _ = sink_pair
    fill(sink)
    sink.send_timeout = 5
    with pytest.raises(SinkLost) as caught:
        await SharedBuffer(SIZE).receive_then_send(source, sink)
    assert isinstance(caught.value.__cause__, trio.TooSlowError)
    assert trio.current_time() == pytest.approx(5)


async def test_nothing_is_received_while_it_waits(pair: Pair, unix_pair: Pair) -> None:
    (one, source), (sink, other) = pair, unix_pair
    buffer = SharedBuffer(SIZE)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(buffer.receive_then_send, source, sink)
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    await one.send_all(b"later")
    assert await buffer.receive_then_send(source, sink) == (5, b"")
    assert await other.receive_some(10) == b"later"


async def test_a_source_that_breaks_raises(pair: Pair, unix_pair: Pair) -> None:
    (one, source), (sink, _) = pair, unix_pair
    one.reset()
    if source.is_tcp:
        with pytest.raises(trio.BrokenResourceError):
            await SharedBuffer(SIZE).receive_then_send(source, sink)
    source.close()
    with pytest.raises(trio.ClosedResourceError):
        await SharedBuffer(SIZE).receive_then_send(source, sink)


@pytest.mark.parametrize("who", ["peer", "ours"])
async def test_a_sink_that_is_gone_shows_when_the_rest_is_sent(pair: Pair, unix_pair: Pair, who: str) -> None:
    (one, source), (sink, other) = pair, unix_pair
    await one.send_all(b"abc")
    (other if who == "peer" else sink).close()
    count, rest = await SharedBuffer(SIZE).receive_then_send(source, sink)
    assert (count, rest) == (3, b"abc")
    with pytest.raises((trio.BrokenResourceError, trio.ClosedResourceError)):
        await sink.send_all(rest)


@given(
    pieces=st.lists(st.tuples(st.integers(0, 2), st.binary(min_size=1, max_size=50)), max_size=30),
    size=st.integers(1, 40),
    capacity=st.integers(1, 30),
)
async def test_nobody_gets_the_bytes_of_another(pieces: list[tuple[int, bytes]], size: int, capacity: int) -> None:
    buffer = SharedBuffer(size)
    got = [b"", b"", b""]

    async def pass_on(number: int) -> None:
        far, source = memory_stream_pair(capacity=capacity)
        sink, end = memory_stream_pair(capacity=capacity)

        async def send() -> None:
            for whose, data in pieces:
                if whose == number:
                    await far.send_all(data)
            await far.send_eof()

        async def receive() -> None:
            got[number] = await receive_all(end, 7)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(send)
            nursery.start_soon(receive)
            while True:
                count, rest = await buffer.receive_then_send(source, sink)
                if not count:
                    break
                await sink.send_all(rest)
            await sink.send_eof()

    async with trio.open_nursery() as nursery:
        for number in range(3):
            nursery.start_soon(pass_on, number)
    assert got == [b"".join(data for whose, data in pieces if whose == number) for number in range(3)]


async def test_over_sockets_with_slow_readers_each_gets_its_own() -> None:
    buffer = SharedBuffer(64 * 1024)

    async def one(letter: bytes) -> None:
        with contextlib.ExitStack() as stack:
            far, source, sink, end = (
                stack.enter_context(contextlib.closing(SocketStream(sock)))
                for sock in (*socket.socketpair(), *socket.socketpair())
            )

            async def send() -> None:
                await far.send_all(letter * 1_000_000)
                await far.send_eof()

            async def pass_on() -> None:
                while (passed := await buffer.receive_then_send(source, sink))[0]:
                    await sink.send_all(passed[1])
                await sink.send_eof()

            async with trio.open_nursery() as nursery:
                nursery.start_soon(send)
                nursery.start_soon(pass_on)
                assert await receive_all(end, 10_000) == letter * 1_000_000

    async with trio.open_nursery() as nursery:
        for letter in (b"a", b"b", b"c"):
            nursery.start_soon(one, letter)
