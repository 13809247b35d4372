"""What goes through a passage arrives whole and in order, through buffer or pipe, and the pipe is given back."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random

import attrs
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import wait_all_tasks_blocked

from conductor_trio.net.poller import EdgePoller, PolledStream
from conductor_trio.net.shared_buffer import SharedBuffer
from conductor_trio.net.splice_pipe import SplicePipe
from conductor_trio.net.stream import SocketStream
from tests.support.descriptors import no_descriptor_left, open_descriptors
from tests.support.sockets import receive_all, tcp_sockets

SIZE = 1024


@attrs.frozen(kw_only=True)
class Ends:
    """A passage, and those at its two ends; `pipes` are the ends of pipes that are open because of it."""

    passage: SplicePipe
    visitor: SocketStream
    visitor_socket: socket.socket  #: that of `visitor`, for what no stream does
    outgoing: SocketStream  #: the passage's sink
    application: SocketStream
    _before: int

    @property
    def pipes(self) -> int:
        return count_pipes() - self._before

    async def pass_on(self, max_bytes: int = 10**9) -> int:
        """Pass one piece on and return its size."""
        count = await self.passage.receive_then_send(max_bytes)
        if self.passage.has_rest:
            await self.passage.send_rest()
        return count

    async def pass_all(self) -> None:
        while await self.pass_on():
            pass


def count_pipes() -> int:
    return sum(count for name, count in open_descriptors().items() if name.startswith("pipe:"))


@asynccontextmanager
async def open_passage(
    *, tcp: bool = True, size: int = SIZE, poller: EdgePoller | None = None
) -> AsyncIterator[Ends]:
    """Open a passage, from TCP unless told otherwise, to a UNIX socket; all is given back on leaving."""
    before = count_pipes()
    visitor_socket, incoming_socket = tcp_sockets() if tcp else socket.socketpair()
    visitor = SocketStream(visitor_socket)
    incoming = SocketStream(incoming_socket)
    if poller is not None:
        incoming = PolledStream(incoming_socket, poller, send_timeout=float("inf"))
    outgoing, application = map(SocketStream, socket.socketpair())
    with (
        contextlib.closing(visitor),
        contextlib.closing(incoming),
        contextlib.closing(outgoing),
        contextlib.closing(application),
        contextlib.closing(SplicePipe(incoming, outgoing, SharedBuffer(size))) as passage,
    ):
        yield Ends(
            passage=passage,
            visitor=visitor,
            visitor_socket=visitor_socket,
            outgoing=outgoing,
            application=application,
            before=before,
        )
    assert count_pipes() == before


@given(
    pieces=st.lists(st.integers(1, 5000).map(lambda size: Random(size).randbytes(size)), max_size=6),
    size=st.sampled_from([2, 100, 4096]),
    tcp=st.booleans(),
    read_size=st.sampled_from([100, 65536]),
)
async def test_all_bytes_arrive_in_order(pieces: list[bytes], size: int, tcp: bool, read_size: int) -> None:
    got = bytearray()
    async with open_passage(tcp=tcp, size=size) as ends, trio.open_nursery() as nursery:

        async def read() -> None:
            got.extend(await receive_all(ends.application, read_size))

        async def send() -> None:
            for piece in pieces:
                await ends.visitor.send_all(piece)
                await trio.lowlevel.checkpoint()
            await ends.visitor.send_eof()

        nursery.start_soon(read)
        nursery.start_soon(send)
        await ends.pass_all()
        await ends.outgoing.send_eof()
    assert bytes(got) == b"".join(pieces)


async def test_the_pipe_is_opened_for_a_crowd_and_left_for_a_trickle() -> None:
    async with open_passage() as ends:
        await ends.visitor.send_all(bytes(SIZE - 1))
        assert await ends.pass_on() == SIZE - 1
        await ends.visitor.send_all(bytes(3 * SIZE))
        assert await ends.pass_on() == SIZE
        assert ends.pipes == 0
        assert await ends.pass_on() == 2 * SIZE
        assert ends.pipes == 2
        await ends.visitor.send_all(bytes(SIZE // 2 - 1))
        assert await ends.pass_on() == SIZE // 2 - 1
        await ends.visitor.send_all(bytes(2 * SIZE))
        assert await ends.pass_on() == SIZE  # which the buffer holds
        assert await ends.pass_on(SIZE // 4) == SIZE // 4  # no more than was asked for


async def test_a_slow_reader_is_waited_for_and_gets_what_is_in_the_pipe() -> None:
    sent = os.urandom(3 * 1024 * 1024)
    async with open_passage() as ends, trio.open_nursery() as nursery:

        async def send() -> None:
            await ends.visitor.send_all(sent)
            await ends.visitor.send_eof()

        @nursery.start_soon
        async def pass_all() -> None:
            await ends.pass_all()
            await ends.outgoing.send_eof()

        nursery.start_soon(send)
        await wait_all_tasks_blocked()
        assert ends.pipes == 2
        assert await receive_all(ends.application) == sent


async def test_urgent_data_does_not_stop_it() -> None:
    """The kernel does not move past it (tcp(7)), and the socket stays readable: that would be tried for ever."""
    async with open_passage() as ends:
        await ends.visitor.send_all(bytes(SIZE))
        await ends.pass_on()
        ends.visitor_socket.send(b"!", socket.MSG_OOB)
        await ends.visitor.send_all(b"a" * SIZE)
        with trio.fail_after(10):
            assert await ends.pass_on() == SIZE
            await ends.visitor.send_eof()
            await ends.pass_all()
        await ends.outgoing.send_eof()
        assert await receive_all(ends.application) == bytes(SIZE) + b"a" * SIZE


async def test_a_source_that_waits_for_edges_goes_on_through_the_pipe() -> None:
    """Whether the kernel has moved all, no count tells: that would be taken for urgent data, and copied."""
    poller = EdgePoller()
    async with trio.open_nursery() as nursery, open_passage(poller=poller) as ends:
        nursery.start_soon(poller.run)
        await wait_all_tasks_blocked()
        await ends.visitor.send_all(bytes(SIZE))
        await ends.pass_on()
        for _ in range(5):
            await ends.visitor.send_all(b"a" * SIZE)
            await ends.pass_on()
            assert ends.pipes == 2
            assert await ends.application.receive_some(2 * SIZE)
        received: list[int] = []

        async def pass_on() -> None:
            received.append(await ends.pass_on())

        nursery.start_soon(pass_on)
        await wait_all_tasks_blocked()
        assert not received
        ends.visitor_socket.send(b"!", socket.MSG_OOB)
        await ends.visitor.send_all(b"b" * SIZE)
        await ends.visitor.send_eof()
        await wait_all_tasks_blocked()
        with trio.fail_after(10):
            await ends.pass_all()
        nursery.cancel_scope.cancel()


async def test_without_a_descriptor_it_is_copied() -> None:
    async with open_passage() as ends:
        await ends.visitor.send_all(b"a" * 3 * SIZE)
        with no_descriptor_left():
            for _ in range(3):
                assert await ends.pass_on() == SIZE
        assert await ends.application.receive_some(4 * SIZE) == b"a" * 3 * SIZE


async def test_a_reader_that_is_gone_shows_and_what_was_for_it_is_forgotten() -> None:
    async with open_passage() as ends:
        await ends.visitor.send_all(bytes(5 * SIZE))
        await ends.pass_on()
        ends.application.close()
        assert await ends.passage.receive_then_send(2 * SIZE) == 2 * SIZE
        with pytest.raises(trio.BrokenResourceError):
            await ends.passage.send_rest()
        ends.passage.close()
        assert ends.pipes == 0
        assert [await ends.passage.receive_then_send(10**9) for _ in range(2)] == [SIZE, SIZE]
        assert ends.pipes == 0


async def test_a_writer_that_breaks_shows() -> None:
    async with open_passage() as ends:
        await ends.visitor.send_all(bytes(SIZE))
        await ends.pass_on()
        ends.visitor.reset()
        with pytest.raises(trio.BrokenResourceError):
            await ends.pass_on()


@pytest.mark.parametrize("spliced", [False, True])
async def test_an_application_that_is_gone_shows_when_the_rest_is_sent_and_not_before(spliced: bool) -> None:
    """A failed send must not look like a visitor that is lost."""
    async with open_passage() as ends:
        await ends.visitor.send_all(bytes(SIZE if spliced else 1))
        await ends.pass_on()
        ends.application.close()
        await ends.visitor.send_all(bytes(SIZE))
        assert await ends.passage.receive_then_send(10**9) == SIZE
        assert ends.pipes == (2 if spliced else 0)
        assert ends.passage.has_rest
        with pytest.raises(trio.BrokenResourceError):
            await ends.passage.send_rest()
