"""Streams that wait for edges: none is missed, whatever a receive finds; streams outlive their poller.

What holds for every socket stream, `test_stream` tries with these, too.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import attrs
import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from conductor_trio.limits.constants import MAX_CANCELLED_AT_ONCE
from conductor_trio.net.poller import EdgePoller, PolledStream
from conductor_trio.net.shared_buffer import SharedBuffer
from conductor_trio.net.stream import SocketStream
from tests.support.sockets import receive_all, tcp_sockets

PATIENCE = 10


@attrs.frozen(kw_only=True)
class Ends:
    """A polled stream, and the plain socket of its peer."""

    stream: PolledStream
    peer: socket.socket


@asynccontextmanager
async def open_poller() -> AsyncIterator[EdgePoller]:
    poller = EdgePoller()
    with trio.fail_after(PATIENCE):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(poller.run)
            await wait_all_tasks_blocked()
            yield poller
            nursery.cancel_scope.cancel()


@contextmanager
def open_ends(poller: EdgePoller, *, tcp: bool = True, is_fresh: bool = False) -> Iterator[Ends]:
    ours, theirs = tcp_sockets() if tcp else socket.socketpair()
    stream = PolledStream(ours, poller, send_timeout=1, is_fresh=is_fresh)
    with contextlib.closing(stream), contextlib.closing(theirs):
        yield Ends(stream=stream, peer=theirs)


both_families = pytest.mark.parametrize("tcp", [True, False], ids=["tcp", "unix"])


async def receive_later(ends: Ends, data: bytes, max_bytes: int) -> bytes:
    """Have the peer send while the stream waits, and return what one receive gives."""
    received: list[bytes] = []

    async def receive() -> None:
        received.append(await ends.stream.receive_some(max_bytes))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(receive)
        await wait_all_tasks_blocked()
        ends.peer.sendall(data)
    return received[0]


@both_families
@pytest.mark.parametrize("max_bytes", [1, 2, 3, 4])
async def test_what_one_receive_leaves_the_next_one_gets(tcp: bool, max_bytes: int) -> None:
    async with open_poller() as poller:
        with open_ends(poller, tcp=tcp) as ends:
            for _ in range(3):
                data = await receive_later(ends, b"abc", max_bytes)
                while len(data) < 3:
                    data += await ends.stream.receive_some(max_bytes)
                assert data == b"abc"


@both_families
async def test_the_peer_s_end_is_found_after_what_came_before_it(tcp: bool) -> None:
    async with open_poller() as poller:
        with open_ends(poller, tcp=tcp) as ends:
            assert await receive_later(ends, b"abc", 100) == b"abc"
            ends.peer.sendall(b"last")
            ends.peer.shutdown(socket.SHUT_WR)
            assert await ends.stream.receive_some(100) == b"last"
            assert await ends.stream.receive_some(100) == b""
            assert await ends.stream.receive_some(100) == b""


async def test_urgent_data_hides_nothing_that_comes_after_it() -> None:
    """A receive stops before it (tcp(7)), and of what follows no edge tells."""
    async with open_poller() as poller:
        with open_ends(poller) as ends:
            assert await receive_later(ends, b"first", 100) == b"first"
            ends.peer.sendall(b"before")
            ends.peer.send(b"!", socket.MSG_OOB)
            ends.peer.sendall(b"after")
            ends.peer.shutdown(socket.SHUT_WR)
            assert await receive_all(ends.stream, 100) == b"beforeafter"


@both_families
async def test_the_shared_buffer_takes_all_and_then_waits(tcp: bool) -> None:
    sent = os.urandom(300_000)
    async with open_poller() as poller:
        with open_ends(poller, tcp=tcp) as ends:
            sink, far_sink = map(SocketStream, socket.socketpair())
            buffer = SharedBuffer(1000)
            ends.peer.setblocking(False)
            peer = SocketStream(ends.peer)

            async def send() -> None:
                await peer.send_all(sent)
                await wait_all_tasks_blocked()  # the other side has all of it, and waits for more
                await peer.send_all(b"more")
                await peer.send_eof()

            async def pass_on() -> None:
                count = 1
                while count:
                    count, rest = await buffer.receive_then_send(ends.stream, sink)
                    await sink.send_all(rest)
                await sink.send_eof()

            with contextlib.closing(sink), contextlib.closing(far_sink):
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(send)
                    nursery.start_soon(pass_on)
                    assert await receive_all(far_sink) == sent + b"more"


async def test_an_urgent_byte_is_no_reason_to_look_for_ever() -> None:
    async with open_poller() as poller:
        with open_ends(poller) as ends:
            sink, far_sink = map(SocketStream, socket.socketpair())
            with contextlib.closing(sink), contextlib.closing(far_sink):
                await receive_later(ends, b"abc", 100)
                ends.peer.send(b"!", socket.MSG_OOB)
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(SharedBuffer(1000).receive_then_send, ends.stream, sink)
                    await wait_all_tasks_blocked()  # which one that looks again and again never is
                    nursery.cancel_scope.cancel()


async def test_a_fresh_stream_receives_what_is_there_at_once_and_waits_for_what_is_not() -> None:
    async with open_poller() as poller:
        with open_ends(poller, tcp=False, is_fresh=True) as ends:
            ends.peer.sendall(b"first")
            with trio.CancelScope() as scope:
                scope.cancel()  # a wait would be cancelled
                assert await ends.stream.receive_some(100) == b"first"
            assert await receive_later(ends, b"next", 100) == b"next"
        with open_ends(poller, tcp=False, is_fresh=True) as ends:
            assert await receive_later(ends, b"late", 100) == b"late"


async def test_it_is_quiet_until_an_edge_comes() -> None:
    async with open_poller() as poller:
        with open_ends(poller) as ends:
            await receive_later(ends, b"abc", 100)
            assert ends.stream.is_quiet()
            ends.peer.sendall(b"unasked")
            await trio.lowlevel.wait_readable(ends.stream)
            assert not ends.stream.is_quiet()
            assert await ends.stream.receive_some(7) == b"unasked"
            assert ends.stream.is_quiet()  # though no receive has found less than it asked for


async def test_only_one_task_may_wait() -> None:
    async with open_poller() as poller:
        with open_ends(poller) as ends:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(ends.stream.receive_some, 1)
                await wait_all_tasks_blocked()
                with pytest.raises(trio.BusyResourceError):
                    await ends.stream.receive_some(1)
                nursery.cancel_scope.cancel()
            assert await receive_later(ends, b"a", 1) == b"a"


@both_families
async def test_who_waits_when_the_poller_ends_waits_on(tcp: bool) -> None:
    poller = EdgePoller()
    received: list[bytes] = []
    with trio.fail_after(PATIENCE), open_ends(poller, tcp=tcp) as ends:

        async def receive() -> None:
            received.append(await receive_all(ends.stream))

        async with trio.open_nursery() as nursery:
            async with trio.open_nursery() as polling:
                polling.start_soon(poller.run)
                await wait_all_tasks_blocked()
                nursery.start_soon(receive)
                await wait_all_tasks_blocked()
                ends.peer.sendall(b"with it, ")
                await wait_all_tasks_blocked()
                polling.cancel_scope.cancel()
            await wait_all_tasks_blocked()
            ends.peer.sendall(b"without it")
            await wait_all_tasks_blocked()
            ends.peer.close()
        assert received == [b"with it, without it"]


async def test_of_many_that_have_something_a_few_are_told_in_a_turn() -> None:
    """But of every group some, and within a group of everybody."""
    count = 50
    crowd, sibling, other = ("crowd", 0), ("crowd", 1), ("other", 2)
    payers: dict[str, tuple[str, int]] = {"sibling": sibling, "other": other}
    poller = EdgePoller(lambda task: payers.get(task.name, crowd))
    turns: list[list[str]] = [[]]

    class Turns(trio.abc.Instrument):
        def before_io_wait(self, timeout: float) -> None:
            turns.append([])

    async def receive(stream: PolledStream, name: str) -> None:
        assert await stream.receive_some(100) == b"something"
        turns[-1].append(name)

    with trio.fail_after(PATIENCE), contextlib.ExitStack() as stack:
        names = [*["crowd"] * count, "sibling", "other"]
        ends = [stack.enter_context(open_ends(poller, tcp=False)) for _ in names]
        async with trio.open_nursery() as polling:
            polling.start_soon(poller.run)
            await wait_all_tasks_blocked()
            async with trio.open_nursery() as nursery:
                for end, name in zip(ends, names, strict=True):
                    nursery.start_soon(receive, end.stream, name, name=name)
                await wait_all_tasks_blocked()
                trio.lowlevel.add_instrument(watch := Turns())
                for end in ends:
                    end.peer.sendall(b"some")
                    end.peer.sendall(b"thing")
            trio.lowlevel.remove_instrument(watch)
            polling.cancel_scope.cancel()
    turns = [turn for turn in turns if turn]
    assert sum(map(len, turns)) == count + 2
    assert max(map(len, turns)) <= MAX_CANCELLED_AT_ONCE + 1
    assert "other" in turns[0] and "sibling" in turns[0]


async def test_who_goes_while_others_are_told_is_not_told() -> None:
    poller = EdgePoller()
    received: list[bytes] = []

    async def receive(stream: PolledStream) -> None:
        with contextlib.suppress(trio.ClosedResourceError):
            received.append(await stream.receive_some(1))
        for end in ends[1::2]:
            end.stream.close()

    with trio.fail_after(PATIENCE), contextlib.ExitStack() as stack:
        ends = [stack.enter_context(open_ends(poller, tcp=False)) for _ in range(50)]
        async with trio.open_nursery() as polling:
            polling.start_soon(poller.run)
            await wait_all_tasks_blocked()
            async with trio.open_nursery() as nursery:
                for end in ends:
                    nursery.start_soon(receive, end.stream)
                await wait_all_tasks_blocked()
                for end in ends:
                    end.peer.sendall(b"a")
            polling.cancel_scope.cancel()
    assert 25 <= len(received) <= 25 + MAX_CANCELLED_AT_ONCE


async def test_without_a_poller_it_waits_for_trio() -> None:
    with trio.fail_after(PATIENCE), open_ends(EdgePoller(), is_fresh=True) as ends:
        assert await receive_later(ends, b"abc", 2) == b"ab"
        assert await ends.stream.receive_some(2) == b"c"
        assert ends.stream.is_quiet()


async def test_where_the_kernel_takes_no_more_sockets_it_waits_for_trio() -> None:
    async with open_poller() as poller:
        with open_ends(poller) as ends:
            descriptor = ends.stream.fileno()
            assert poller.add(descriptor, ends.stream)
            assert not poller.add(descriptor, ends.stream)  # EEXIST stands for ENOSPC (epoll_ctl(2))
            assert await receive_later(ends, b"abc", 100) == b"abc"


async def test_the_next_stream_of_a_descriptor_s_number_gets_its_own_edges() -> None:
    async with open_poller() as poller:
        for number in range(20):
            with open_ends(poller, tcp=False) as ends:
                data = b"%d" % number
                assert await receive_later(ends, data, 100) == data
                ends.peer.sendall(b"never read")


async def test_what_a_stream_leaves_costs_the_poller_nothing() -> None:
    async with open_poller() as poller:
        streams = []
        for _ in range(50):
            with open_ends(poller, tcp=False) as ends:
                await receive_later(ends, b"a", 1)
                streams.append(ends.stream)
        assert len(poller) == 0
        for stream in streams:
            with pytest.raises(trio.ClosedResourceError):
                await stream.receive_some(1)
