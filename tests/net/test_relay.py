"""The splice carries everything both ways, ends when both ends have, and holds no more than a read in memory."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from conductor_trio.net.relay import linger, splice
from conductor_trio.net.shared_buffer import SharedBuffer
from conductor_trio.net.stream import SocketStream, Stream
from conductor_trio.net.unix import connect_unix
from tests.doubles.origin import echo, open_origin
from tests.doubles.streams import MemoryStream, memory_stream_pair

READ_SIZE = 4096


class Splice:
    """A splice that runs: `visitor` and `application` are the far ends of its two streams."""

    def __init__(self, visitor: MemoryStream, application: MemoryStream) -> None:
        self.visitor = visitor
        self.application = application
        self.ended = trio.Event()

    async def run(self, one: Stream, other: Stream) -> None:
        with contextlib.closing(one), contextlib.closing(other):
            await splice(one, other, SharedBuffer(READ_SIZE))
        self.ended.set()


@contextlib.asynccontextmanager
async def open_splice(
    *, capacity: float = float("inf"), visitor_can_half_close: bool = True
) -> AsyncIterator[Splice]:
    visitor, one = memory_stream_pair(capacity=capacity, can_half_close=visitor_can_half_close)
    other, application = memory_stream_pair(capacity=capacity)
    spliced = Splice(visitor, application)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(spliced.run, one, other)
        yield spliced
        nursery.cancel_scope.cancel()


async def receive_all(stream: Stream) -> bytes:
    data = bytearray()
    while piece := await stream.receive_some(65536):
        data += piece
    return bytes(data)


async def test_both_directions_and_both_half_closes() -> None:
    async with open_splice() as spliced:
        await spliced.visitor.send_all(b"question")
        await spliced.visitor.send_eof()
        assert await receive_all(spliced.application) == b"question"
        await trio.testing.wait_all_tasks_blocked()
        assert not spliced.ended.is_set()
        await spliced.application.send_all(b"answer")
        await spliced.application.send_eof()
        assert await receive_all(spliced.visitor) == b"answer"
        await spliced.ended.wait()


async def test_the_application_may_end_first_and_listen_on() -> None:
    async with open_splice() as spliced:
        await spliced.application.send_all(b"hello")
        await spliced.application.send_eof()
        assert await receive_all(spliced.visitor) == b"hello"
        await spliced.visitor.send_all(b"still here")
        assert await spliced.application.receive_some(100) == b"still here"
        assert not spliced.ended.is_set()


@pytest.mark.parametrize("end", ["visitor", "application"])
@pytest.mark.parametrize("way", ["close", "reset"])
async def test_whoever_goes_ends_it_for_the_other(end: str, way: str) -> None:
    async with open_splice() as spliced:
        gone, left = (
            (spliced.visitor, spliced.application) if end == "visitor" else (spliced.application, spliced.visitor)
        )
        gone.close() if way == "close" else gone.reset()
        await spliced.ended.wait()
        assert await left.receive_some(1) == b""
        with pytest.raises(trio.BrokenResourceError):
            await left.send_all(b"x")


async def test_an_end_of_tls_ends_both_directions() -> None:
    async with open_splice(visitor_can_half_close=False) as spliced:
        await spliced.application.send_all(b"last words")
        await spliced.application.send_eof()
        await spliced.ended.wait()
        assert await receive_all(spliced.visitor) == b"last words"


async def test_the_last_words_of_who_is_gone_arrive_although_sending_to_it_fails() -> None:
    async with open_splice(capacity=8) as spliced:
        # The visitor is slow: the words wait on the application's side, which is gone when it is sent something.
        await spliced.application.send_all(b"12345678")
        await trio.testing.wait_all_tasks_blocked()
        await spliced.application.send_all(b"farewell")
        spliced.application.close()
        await spliced.visitor.send_all(b"are you")
        await trio.testing.wait_all_tasks_blocked()
        assert await receive_all(spliced.visitor) == b"12345678farewell"
        await spliced.ended.wait()


async def test_a_slow_reader_slows_its_writer_and_nobody_else() -> None:
    async with open_splice(capacity=1000) as spliced:
        taken = 0
        with trio.move_on_after(0):
            while True:
                await spliced.application.send_all(bytes(100))
                taken += 100
                await trio.testing.wait_all_tasks_blocked()
        assert taken <= 1000 + READ_SIZE + 1000  # two buffers and the one read between them
        await spliced.visitor.send_all(b"meanwhile")
        assert await spliced.application.receive_some(100) == b"meanwhile"


async def test_a_peer_that_never_reads_is_given_up(autojump_clock: trio.testing.MockClock) -> None:
    visitor, one = memory_stream_pair(capacity=10)
    other, application = memory_stream_pair()
    one.send_timeout = 300
    await application.send_all(bytes(100))
    with contextlib.closing(one), contextlib.closing(other):
        await splice(one, other, SharedBuffer(READ_SIZE))
    assert trio.current_time() == pytest.approx(300)
    visitor.close()


async def test_it_can_be_cancelled_at_every_point() -> None:
    # Each checkpoint of a splice with traffic in both directions, one after the other.
    for patience in range(40):
        async with open_splice(capacity=5) as spliced, trio.open_nursery() as nursery:
            nursery.start_soon(spliced.visitor.send_all, b"abcdefghij" * 3)
            nursery.start_soon(spliced.application.send_all, b"0123456789" * 3)
            for _ in range(patience):
                await trio.lowlevel.checkpoint()
            nursery.cancel_scope.cancel()


@given(
    st.lists(st.tuples(st.booleans(), st.binary(min_size=1, max_size=40)), max_size=20),
    st.integers(min_value=1, max_value=50),
)
async def test_whatever_is_sent_arrives_once_and_in_order(
    messages: list[tuple[bool, bytes]], capacity: int
) -> None:
    received: dict[bool, bytes] = {}

    async def receive(stream: Stream, from_visitor: bool) -> None:
        received[from_visitor] = await receive_all(stream)

    async def send(stream: Stream, from_visitor: bool) -> None:
        for sender, data in messages:
            if sender is from_visitor:
                await stream.send_all(data)
        await stream.send_eof()

    async with open_splice(capacity=capacity) as spliced, trio.open_nursery() as nursery:
        nursery.start_soon(send, spliced.visitor, True)
        nursery.start_soon(send, spliced.application, False)
        nursery.start_soon(receive, spliced.application, True)
        nursery.start_soon(receive, spliced.visitor, False)
    for sender in (True, False):
        assert received[sender] == b"".join(data for who, data in messages if who is sender)


async def test_over_real_sockets(short_tmp: Path) -> None:
    data = os.urandom(3_000_000)
    ours, theirs = socket.socketpair()
    visitor = SocketStream(theirs)
    async with open_origin(short_tmp / "s", echo) as origin:
        upstream = await connect_unix(origin.path, connect_timeout=5)
        with contextlib.closing(visitor):
            async with trio.open_nursery() as nursery:

                async def relay() -> None:
                    with contextlib.closing(upstream), contextlib.closing(SocketStream(ours)) as one:
                        await splice(one, upstream, SharedBuffer(65536))

                async def send() -> None:
                    await visitor.send_all(data)
                    await visitor.send_eof()

                nursery.start_soon(relay)
                nursery.start_soon(send)
                assert await receive_all(visitor) == data
    assert origin.connections[0].received == data


async def test_lingering_reads_away_what_still_comes_and_ends_our_direction() -> None:
    ours, peer = memory_stream_pair()
    await peer.send_all(bytes(10_000))
    await peer.send_eof()
    await linger(ours, linger_timeout=5, max_bytes=100_000, read_size=READ_SIZE)
    assert await receive_all(peer) == b""
    assert await ours.receive_some(1) == b""


async def test_lingering_ends_after_so_many_bytes() -> None:
    ours, peer = memory_stream_pair()
    await peer.send_all(bytes(100_000))
    await linger(ours, linger_timeout=float("inf"), max_bytes=10_000, read_size=READ_SIZE)
    assert len(await ours.receive_some(1_000_000)) >= 100_000 - 10_000 - READ_SIZE


async def test_lingering_ends_after_so_long(autojump_clock: trio.testing.MockClock) -> None:
    ours, _ = memory_stream_pair()
    await linger(ours, linger_timeout=5, max_bytes=10_000, read_size=READ_SIZE)
    assert trio.current_time() == pytest.approx(5)


async def test_lingering_for_a_peer_that_is_gone_ends() -> None:
    ours, peer = memory_stream_pair()
    peer.reset()
    await linger(ours, linger_timeout=float("inf"), max_bytes=10_000, read_size=READ_SIZE)
