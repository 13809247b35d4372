"""Streams that wait for edges: none is missed, whatever a receive finds; streams outlive their poller.

What holds for every socket stream, `test_stream` tries with these, too.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

import attrs
import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from conductor_trio.net.poller import EdgePoller, PolledStream, Wait
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


class OneATurn:
    """Lets the latest who came go on, one in each turn."""

    is_needed = True

    def __init__(self) -> None:
        self.waits: list[Wait] = []
        self.is_open = False
        self.passed = 0

    def has_room(self, count: int) -> bool:
        return False

    def queue(self, wait: Wait) -> None:
        if wait not in self.waits:
            self.waits.append(wait)

    def begin_turn(self) -> None:
        if self.waits and self.is_open:
            self.passed += self.waits.pop().wake()

    async def run(self) -> None:
        while True:  # noqa: ASYNC110
            await trio.lowlevel.checkpoint()


@asynccontextmanager
async def open_poller_with(turnstile: OneATurn) -> AsyncIterator[EdgePoller]:
    poller = EdgePoller(turnstile)
    with trio.fail_after(PATIENCE):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(poller.run)
            nursery.start_soon(turnstile.run)
            await trio.sleep(0.01)
            yield poller
            nursery.cancel_scope.cancel()


async def wait_for(what: Callable[[], bool]) -> None:
    while not what():  # noqa: ASYNC110
        await trio.lowlevel.checkpoint()


async def test_who_has_something_to_receive_goes_on_when_it_is_their_turn() -> None:
    turnstile = OneATurn()
    received: list[int] = []

    async def receive(ends: Ends, number: int) -> None:
        assert await ends.stream.receive_some(4) == b"some"
        received.append(number)
        assert await ends.stream.receive_some(100) == b"thing"  # which is here: that is another turn
        received.append(number)

    async with open_poller_with(turnstile) as poller:
        with contextlib.ExitStack() as stack:
            ends = [stack.enter_context(open_ends(poller, tcp=False)) for _ in range(3)]
            async with trio.open_nursery() as nursery:
                for number, end in enumerate(ends):
                    nursery.start_soon(receive, end, number)
                    end.peer.sendall(b"something")
                await wait_for(lambda: len(turnstile.waits) == 3)
                assert not received
                turnstile.is_open = True
            assert turnstile.passed == 6
            assert sorted(received) == [0, 0, 1, 1, 2, 2]


@both_families
async def test_who_waits_for_room_goes_on_when_it_is_their_turn(tcp: bool) -> None:
    turnstile = OneATurn()
    data = bytes(8 * 1024 * 1024)

    async with open_poller_with(turnstile) as poller:
        with open_ends(poller, tcp=tcp) as ends:
            ends.peer.setblocking(False)
            peer = SocketStream(ends.peer)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(ends.stream.send_all, data)
                size = 0
                while not turnstile.waits:  # TCP has room again only when much has been read
                    size += len(await peer.receive_some(1 << 16))
                assert not turnstile.passed
                turnstile.is_open = True
                while size < len(data):
                    size += len(await peer.receive_some(len(data)))
            assert turnstile.passed > 0


async def test_who_goes_while_they_wait_for_their_turn_is_not_told() -> None:
    turnstile = OneATurn()
    async with open_poller_with(turnstile) as poller:
        with open_ends(poller, tcp=False) as ends:

            async def receive() -> None:
                with pytest.raises(trio.ClosedResourceError):
                    await ends.stream.receive_some(1)

            async with trio.open_nursery() as nursery:
                nursery.start_soon(receive)
                ends.peer.sendall(b"a")
                await wait_for(lambda: len(turnstile.waits) == 1)
                ends.stream.close()
            turnstile.is_open = True
            await wait_for(lambda: not turnstile.waits)
            assert not turnstile.passed


async def fill(ends: Ends) -> None:
    """Send until the kernel takes no more."""
    while ends.stream.send_nowait(bytes(1 << 16)):
        pass


@both_families
async def test_who_waits_for_room_reads_meanwhile_and_sends_later(tcp: bool) -> None:
    async with open_poller() as poller:
        with open_ends(poller, tcp=tcp) as ends:
            await fill(ends)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(ends.stream.wait_writable)
                await wait_all_tasks_blocked()
                ends.peer.sendall(b"word")
                assert await ends.stream.receive_some(4) == b"word"
                ends.peer.setblocking(False)
                with contextlib.suppress(BlockingIOError):
                    while True:
                        ends.peer.recv(1 << 20)
            assert await receive_later(ends, b"more", 5) == b"more"
            assert ends.stream.is_quiet()


async def test_who_waits_for_room_notices_that_the_stream_is_closed_and_that_the_peer_is_gone() -> None:
    async with open_poller() as poller:
        with open_ends(poller) as ends:
            await fill(ends)

            async def wait() -> None:
                with pytest.raises(trio.ClosedResourceError):
                    await ends.stream.wait_writable()

            async with trio.open_nursery() as nursery:
                nursery.start_soon(wait)
                await wait_all_tasks_blocked()
                ends.stream.close()
        with open_ends(poller) as ends:
            await fill(ends)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(ends.stream.wait_writable)
                await wait_all_tasks_blocked()
                ends.peer.close()  # with unread bytes, which resets the connection


async def test_only_one_task_may_wait_for_room_and_not_for_ever() -> None:
    async with open_poller() as poller:
        ours, theirs = socket.socketpair()
        stream = PolledStream(ours, poller, send_timeout=0.05)
        with contextlib.closing(stream), contextlib.closing(theirs):
            await fill(Ends(stream=stream, peer=theirs))

            async def wait() -> None:
                with pytest.raises(trio.TooSlowError):
                    await stream.wait_writable()

            async with trio.open_nursery() as nursery:
                nursery.start_soon(wait)
                await wait_all_tasks_blocked()
                with pytest.raises(trio.BusyResourceError):
                    await stream.wait_writable()
            theirs.sendall(b"a")
            assert await stream.receive_some(1) == b"a"


async def test_who_waits_for_room_when_the_poller_ends_waits_on() -> None:
    poller = EdgePoller()
    with trio.fail_after(PATIENCE), open_ends(poller, tcp=False) as ends:
        sent = bytes(1 << 20)
        async with trio.open_nursery() as nursery:
            async with trio.open_nursery() as polling:
                polling.start_soon(poller.run)
                await wait_all_tasks_blocked()
                nursery.start_soon(ends.stream.send_all, sent)
                await wait_all_tasks_blocked()
                polling.cancel_scope.cancel()
            await wait_all_tasks_blocked()
            ends.peer.setblocking(False)
            peer = SocketStream(ends.peer)
            size = 0
            while size < len(sent):
                size += len(await peer.receive_some(1 << 20))


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
