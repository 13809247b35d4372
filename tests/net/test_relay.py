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

from conductor_trio.limits.linger import LingerLimits
from conductor_trio.net.relay import Relays, Splice
from conductor_trio.net.shared_buffer import SharedBuffer
from conductor_trio.net.stream import SocketStream, Stream
from conductor_trio.net.unix import connect_unix
from tests.doubles.origin import OriginConnection, OriginHandler, open_origin
from tests.doubles.streams import MemoryStream, memory_stream_pair
from tests.support.sockets import tcp_sockets

READ_SIZE = 4096
LIMITS = LingerLimits()


class Spliced:
    """A splice that runs: `visitor` and `application` are the far ends of its two streams."""

    def __init__(self, visitor: MemoryStream, application: MemoryStream) -> None:
        self.visitor = visitor
        self.application = application
        self.splice: Splice | None = None
        self.ended = trio.Event()

    async def run(self, one: Stream, other: Stream, early: tuple[bytes, bytes]) -> None:
        self.splice = Splice(one, other, SharedBuffer(READ_SIZE), LIMITS)
        with contextlib.closing(one), contextlib.closing(other):
            await self.splice.run(*early)
        self.ended.set()


@contextlib.asynccontextmanager
async def open_splice(
    *,
    capacity: float = float("inf"),
    visitor_can_half_close: bool = True,
    early: tuple[bytes, bytes] = (b"", b""),
) -> AsyncIterator[Spliced]:
    visitor, one = memory_stream_pair(capacity=capacity, can_half_close=visitor_can_half_close)
    other, application = memory_stream_pair(capacity=capacity)
    spliced = Spliced(visitor, application)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(spliced.run, one, other, early)
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
@pytest.mark.parametrize("visitor_can_half_close", [True, False])
async def test_who_has_ended_and_then_breaks_is_not_kept_for_ever(
    end: str, visitor_can_half_close: bool, autojump_clock: trio.testing.MockClock
) -> None:
    async with open_splice(visitor_can_half_close=visitor_can_half_close) as spliced:
        gone = spliced.visitor if end == "visitor" else spliced.application
        gone.say_end()
        if visitor_can_half_close or end == "visitor":  # or else a silence ends it sooner
            await trio.sleep(1000)
        assert not spliced.ended.is_set()
        gone.close()
        with trio.fail_after(LIMITS.break_interval + LIMITS.silence_timeout + 1):
            await spliced.ended.wait()


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


async def test_an_application_s_end_ends_both_directions_of_tls_unless_the_visitor_has_more_to_say(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with open_splice(visitor_can_half_close=False) as spliced:
        await spliced.application.send_all(b"last words")
        await spliced.application.send_eof()
        await spliced.visitor.send_all(b"and mine")
        assert await spliced.application.receive_some(100) == b"and mine"
        await spliced.ended.wait()
        assert trio.current_time() == pytest.approx(LIMITS.silence_timeout)
        assert await receive_all(spliced.visitor) == b"last words"


async def test_an_end_of_a_visitor_s_tls_leaves_the_application_its_last_words() -> None:
    async with open_splice(visitor_can_half_close=False) as spliced:
        spliced.visitor.say_end()
        assert await receive_all(spliced.application) == b""
        await spliced.application.send_all(b"last words")
        assert await spliced.visitor.receive_some(100) == b"last words"
        spliced.application.close()
        await spliced.ended.wait()


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


async def test_a_failed_write_leaves_the_other_direction_its_last_words() -> None:
    async with open_splice(capacity=8) as spliced:
        spliced.application.end_reading()
        async with trio.open_nursery() as nursery:

            async def keep_sending() -> None:
                with contextlib.suppress(trio.BrokenResourceError):
                    while True:
                        await spliced.visitor.send_all(b"more")

            await spliced.visitor.send_all(b"are you there")
            nursery.start_soon(keep_sending)
            for _ in range(10):
                await spliced.application.send_all(b"last words")
                assert await spliced.visitor.receive_some(8) == b"last wor"
                assert await spliced.visitor.receive_some(8) == b"ds"
            await spliced.application.send_eof()
            assert await receive_all(spliced.visitor) == b""
            await spliced.ended.wait()


async def test_after_a_failed_write_a_silence_ends_it(autojump_clock: trio.testing.MockClock) -> None:
    async with open_splice() as spliced:
        spliced.application.end_reading()
        await spliced.visitor.send_all(b"are you there")
        await trio.sleep(LIMITS.silence_timeout / 2)
        await spliced.application.send_all(b"yes")
        await trio.sleep(LIMITS.silence_timeout * 0.9)
        assert not spliced.ended.is_set()
        await spliced.ended.wait()
        assert trio.current_time() == pytest.approx(LIMITS.silence_timeout * 1.5)


async def test_after_a_failed_write_a_slow_reader_has_its_time(autojump_clock: trio.testing.MockClock) -> None:
    async with open_splice(capacity=4) as spliced:
        spliced.application.hold(1000)
        spliced.application.end_reading()
        await spliced.application.send_all(bytes(100))
        await spliced.application.send_eof()
        await spliced.visitor.send_all(b"hey")
        received = 0
        for _ in range(5):
            await trio.sleep(LIMITS.silence_timeout * 2)
            received += len(await spliced.visitor.receive_some(4))
        received += len(await receive_all(spliced.visitor))
        assert received == 100


async def test_what_came_early_goes_first_and_a_failed_write_does_not_destroy_it() -> None:
    async with open_splice(early=(b"12", b"ab")) as spliced:
        await spliced.visitor.send_all(b"3")
        await spliced.application.send_all(b"c")
        await spliced.visitor.send_eof()
        await spliced.application.send_eof()
        assert (await receive_all(spliced.application), await receive_all(spliced.visitor)) == (b"123", b"abc")

    visitor, one = memory_stream_pair(capacity=1)
    other, application = memory_stream_pair()
    await application.send_all(b"de")
    application.close()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(Splice(one, other, SharedBuffer(READ_SIZE), LIMITS).run, b"never taken", b"abc")
        assert b"".join([await visitor.receive_some(1) for _ in range(5)]) == b"abcde"
        visitor.close()


async def test_what_is_under_way_is_passed_on_when_it_is_told_to_finish(
    autojump_clock: trio.testing.MockClock,
) -> None:
    soon = LingerLimits(silence_timeout=0.5, linger_total_timeout=5)
    async with open_splice() as spliced:
        await spliced.application.send_all(b"last words")
        await trio.testing.wait_all_tasks_blocked()
        assert spliced.splice is not None
        spliced.splice.finish(soon)
        assert await spliced.visitor.receive_some(100) == b"last words"
        await spliced.ended.wait()
        assert trio.current_time() == pytest.approx(0.5)
    async with open_splice() as spliced, trio.open_nursery() as nursery:

        async def talk() -> None:
            with contextlib.suppress(trio.BrokenResourceError):
                while True:
                    await spliced.application.send_all(b"and another thing")
                    await trio.sleep(0.4)

        nursery.start_soon(talk)
        await trio.sleep(1)
        began = trio.current_time()
        assert spliced.splice is not None
        spliced.splice.finish(soon)
        await spliced.ended.wait()
        assert trio.current_time() - began == pytest.approx(5)


async def test_a_peer_that_never_reads_is_given_up(autojump_clock: trio.testing.MockClock) -> None:
    visitor, one = memory_stream_pair(capacity=10)
    other, application = memory_stream_pair()
    one.send_timeout = 300
    await application.send_all(bytes(100))
    with contextlib.closing(one), contextlib.closing(other):
        await Splice(one, other, SharedBuffer(READ_SIZE), LIMITS).run()
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


@given(
    st.lists(st.binary(min_size=1, max_size=40), max_size=8),
    st.sampled_from(["close", "eof", "reads no more, then eof", "reads no more, then close"]),
    st.integers(min_value=1, max_value=50),
    st.booleans(),
    st.binary(max_size=10),
    st.integers(min_value=0, max_value=6),
)
async def test_whatever_was_said_before_an_end_arrives(
    words: list[bytes], end: str, capacity: int, is_tls: bool, early: bytes, pauses: int
) -> None:
    """Whichever way an application ends while its visitor goes on to send, and then says its own end."""
    async with (
        open_splice(capacity=capacity, visitor_can_half_close=not is_tls, early=(b"", early)) as spliced,
        trio.open_nursery() as nursery,
    ):

        async def keep_sending() -> None:
            with contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError):
                while True:
                    await spliced.visitor.send_all(b"more")
                    await trio.lowlevel.checkpoint()

        async def speak() -> None:
            if end.startswith("reads no more"):
                spliced.application.end_reading()
            for piece in words:
                for _ in range(pauses):
                    await trio.lowlevel.checkpoint()
                await spliced.application.send_all(piece)
            spliced.application.close() if end.endswith("close") else spliced.application.say_end()

        nursery.start_soon(keep_sending)
        nursery.start_soon(speak)
        expected = early + b"".join(words)
        received = bytearray()
        while len(received) < len(expected):
            received += await spliced.visitor.receive_some(7)
        assert received == expected
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("family", [socket.AF_UNIX, socket.AF_INET])
async def test_over_real_sockets(short_tmp: Path, family: socket.AddressFamily) -> None:
    """Both ways at once, with an application whose last words come while its visitor still sends."""
    data = os.urandom(3_000_000)
    ours, theirs = tcp_sockets() if family == socket.AF_INET else socket.socketpair()
    visitor = SocketStream(theirs)
    async with open_origin(short_tmp / "s", say_and_close(data)) as origin:
        upstream = await connect_unix(origin.path, connect_timeout=5)
        with contextlib.closing(visitor):
            async with trio.open_nursery() as nursery:

                async def run() -> None:
                    with contextlib.closing(upstream), contextlib.closing(SocketStream(ours)) as one:
                        await Relays(LIMITS, SharedBuffer(65536)).run(one, upstream)

                async def send() -> None:
                    with contextlib.suppress(trio.BrokenResourceError):
                        while True:
                            await visitor.send_all(bytes(1000))

                nursery.start_soon(run)
                nursery.start_soon(send)
                received = bytearray()
                while len(received) < len(data):
                    received += await visitor.receive_some(10_000)
                assert received == data
                assert await visitor.receive_some(1) == b""
                nursery.cancel_scope.cancel()


def say_and_close(data: bytes) -> OriginHandler:
    """Return an application that hears a word, says all that and closes, whatever it has not heard."""

    async def handle(connection: OriginConnection) -> None:
        await connection.receive_exactly(1)
        await connection.send_all(data)

    return handle


async def test_a_visitor_s_last_words_reach_an_application_over_tcp_that_is_talking() -> None:
    """Closing a TCP connection with unread bytes would reset it, and what is under way would be lost."""
    data = os.urandom(3_000_000)
    ours, theirs = tcp_sockets()
    visitor_ours, visitor_theirs = socket.socketpair()
    application, visitor = SocketStream(theirs), SocketStream(visitor_theirs)
    with contextlib.closing(application):
        async with trio.open_nursery() as nursery:

            async def run() -> None:
                with (
                    contextlib.closing(SocketStream(ours)) as upstream,
                    contextlib.closing(SocketStream(visitor_ours)) as one,
                ):
                    await Relays(LIMITS, SharedBuffer(65536)).run(one, upstream)

            async def talk() -> None:
                with contextlib.suppress(trio.BrokenResourceError):
                    while True:
                        await application.send_all(bytes(1000))

            nursery.start_soon(run)
            nursery.start_soon(talk)
            await visitor.send_all(data)
            visitor.close()
            received = bytearray()
            while piece := await application.receive_some(65536):
                received += piece
            assert received == data
            nursery.cancel_scope.cancel()


@contextlib.asynccontextmanager
async def open_relays(
    count: int = 1,
) -> AsyncIterator[tuple[Relays, list[tuple[SocketStream, SocketStream]], trio.Event]]:
    """Run relays over UNIX sockets; give the far ends of each, visitor and application, and when all are over."""
    relays, over = Relays(LIMITS, SharedBuffer(READ_SIZE)), trio.Event()
    with contextlib.ExitStack() as stack:
        ends = []
        async with trio.open_nursery() as nursery:

            async def run_all(nearest: list[tuple[SocketStream, SocketStream]]) -> None:
                async with trio.open_nursery() as running:
                    for one, other in nearest:
                        running.start_soon(run, one, other)
                over.set()

            async def run(one: SocketStream, other: SocketStream) -> None:
                with contextlib.closing(one), contextlib.closing(other):
                    await relays.run(one, other)

            near = []
            for _ in range(count):
                visitor, one = map(SocketStream, socket.socketpair())
                application, other = map(SocketStream, socket.socketpair())
                near.append((one, other))
                ends.append((visitor, application))
                for stream in (visitor, application):
                    stack.enter_context(contextlib.closing(stream))
            nursery.start_soon(run_all, near)
            await trio.testing.wait_all_tasks_blocked()
            yield relays, ends, over
            nursery.cancel_scope.cancel()


@pytest.mark.parametrize("end", ["closes", "ends its direction", "does not end"])
async def test_relays_that_finish_pass_on_what_is_under_way(end: str) -> None:
    words = os.urandom(600_000)
    async with open_relays() as (relays, [(visitor, application)], over), trio.open_nursery() as nursery:

        async def speak() -> None:
            await application.send_all(words)
            match end:
                case "closes":
                    application.close()
                case "ends its direction":
                    await application.send_eof()

        nursery.start_soon(speak)
        await trio.testing.wait_all_tasks_blocked()
        relays.finish()
        assert await receive_all(visitor) == words
        await over.wait()


async def test_relays_that_finish_wait_for_nobody_for_ever(autojump_clock: trio.testing.MockClock) -> None:
    async with open_relays(2) as (relays, [(_, silent), (visitor, talker)], over), trio.open_nursery() as nursery:

        async def talk() -> None:
            with contextlib.suppress(trio.BrokenResourceError):
                while True:
                    await talker.send_all(b"and another thing")
                    await visitor.receive_some(100)
                    await trio.sleep(LIMITS.ended_session_silence / 2)

        nursery.start_soon(talk)
        await silent.send_all(b"not read")
        began = trio.current_time()
        relays.finish()
        await over.wait()
        assert trio.current_time() - began == pytest.approx(LIMITS.ended_session_timeout)


async def test_a_relay_that_begins_while_they_finish_does_so_too(autojump_clock: trio.testing.MockClock) -> None:
    visitor, one = map(SocketStream, socket.socketpair())
    application, other = map(SocketStream, socket.socketpair())
    relays = Relays(LIMITS, SharedBuffer(READ_SIZE))
    relays.finish()
    with contextlib.ExitStack() as stack:
        for stream in (visitor, one, application, other):
            stack.enter_context(contextlib.closing(stream))
        await application.send_all(b"words")
        await relays.run(one, other)
        assert await visitor.receive_some(100) == b"words"
    assert trio.current_time() <= LIMITS.ended_session_timeout


async def test_one_that_is_not_heard_any_more_keeps_nobody(autojump_clock: trio.testing.MockClock) -> None:
    visitor, one = map(SocketStream, socket.socketpair())
    application, other = map(SocketStream, socket.socketpair())
    splice = Splice(one, other, SharedBuffer(READ_SIZE), LIMITS)
    with contextlib.ExitStack() as stack:
        for stream in (visitor, one, application, other):
            stack.enter_context(contextlib.closing(stream))
        async with trio.open_nursery() as nursery:
            over = trio.Event()

            async def run() -> None:
                await splice.run()
                over.set()

            nursery.start_soon(run)
            nursery.start_soon(visitor.send_all, bytes(600_000))  # which nobody takes
            await trio.testing.wait_all_tasks_blocked()
            began = trio.current_time()
            splice.finish(LIMITS.ended_session, hears_one=False)
            await application.send_all(b"words")
            assert await visitor.receive_some(100) == b"words"
            await over.wait()
            assert trio.current_time() - began < 2 * LIMITS.ended_session_silence
            nursery.cancel_scope.cancel()
