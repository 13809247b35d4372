"""The end of a connection: all that was said before it arrives, and nobody is waited for in vain."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import AsyncIterator

import pytest
import trio
import trio.testing

from conductor_trio.limits.linger import LingerLimits
from conductor_trio.net.ending import end_gently
from conductor_trio.net.stream import SocketStream
from tests.support.sockets import receive_all, tcp_sockets

LIMITS = LingerLimits()
Ends = tuple[SocketStream, SocketStream]


@pytest.fixture
async def ends() -> AsyncIterator[Ends]:
    with contextlib.ExitStack() as stack:
        one, other = (stack.enter_context(contextlib.closing(SocketStream(sock))) for sock in tcp_sockets())
        yield one, other


async def end_and_close(stream: SocketStream, limits: LingerLimits = LIMITS, *, peer_waits: bool = False) -> None:
    await end_gently(stream, limits, peer_waits=peer_waits)
    stream.close()


async def fill(stream: SocketStream) -> int:
    """Send until the kernel takes no more; return how much that was."""
    sent = 0
    with trio.move_on_after(0.01):
        while True:
            sent += stream.send_nowait(bytes(65536))
            await stream.wait_writable()
    return sent


async def test_last_words_arrive_while_the_peer_is_sending(ends: Ends) -> None:
    ours, peer = ends
    sent = await fill(ours)

    async def keep_sending() -> None:
        with contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            while True:
                await peer.send_all(bytes(1000))
                await trio.sleep(0.001)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(keep_sending)
        await ours.wait_receivable()
        nursery.start_soon(end_and_close, ours)
        assert len(await receive_all(peer)) == sent
        peer.close()


async def test_who_is_waited_for_by_a_peer_that_got_all_is_done_at_once(ends: Ends) -> None:
    ours, peer = ends
    await ours.send_all(b"answer")
    with trio.fail_after(0.2):
        await end_and_close(ours, peer_waits=True)
    assert await receive_all(peer) == b"answer"


async def test_a_peer_that_has_ended_is_not_waited_for(ends: Ends) -> None:
    ours, peer = ends
    peer.close()
    await ours.wait_receivable()
    with trio.fail_after(0.2):
        await end_and_close(ours)


async def test_a_peer_that_has_reset_the_connection_is_not_waited_for(ends: Ends) -> None:
    ours, peer = ends
    await fill(ours)
    peer.reset()
    await ours.wait_receivable()
    with trio.fail_after(0.2):
        await end_and_close(ours)


async def test_a_reader_slower_than_the_linger_time_gets_all(
    ends: Ends, autojump_clock: trio.testing.MockClock
) -> None:
    ours, peer = ends
    sent = await fill(ours)
    received = 0
    async with trio.open_nursery() as nursery:
        nursery.start_soon(end_and_close, ours)
        await peer.send_all(b"more")
        for _ in range(5):
            received += len(await peer.receive_some(sent // 20))
            await trio.sleep(LIMITS.linger_timeout * 4)
        received += len(await receive_all(peer))
        peer.close()
    assert received == sent


async def test_a_peer_that_never_reads_is_given_up(ends: Ends, autojump_clock: trio.testing.MockClock) -> None:
    ours, peer = ends
    await fill(ours)
    began = trio.current_time()
    await end_and_close(ours)
    assert LIMITS.send_stall_timeout <= trio.current_time() - began < 2 * LIMITS.send_stall_timeout
    peer.close()


async def test_a_peer_that_reads_a_little_now_and_then_is_given_up_in_the_end(
    ends: Ends, autojump_clock: trio.testing.MockClock
) -> None:
    ours, peer = ends
    ended = trio.Event()
    await fill(ours)
    began = trio.current_time()

    async def end() -> None:
        await end_and_close(ours)
        ended.set()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(end)
        while not ended.is_set():
            with contextlib.suppress(trio.BrokenResourceError):
                await peer.receive_some(10_000)
            await trio.sleep(LIMITS.send_stall_timeout / 10)
    assert trio.current_time() - began <= LIMITS.linger_total_timeout * 1.1


@pytest.mark.parametrize("bound", ["bytes", "seconds"])
async def test_a_peer_that_sends_for_ever_is_given_up_once_it_has_got_all(ends: Ends, bound: str) -> None:
    ours, peer = ends
    limits = LingerLimits(max_linger=1_000_000) if bound == "bytes" else LingerLimits(linger_timeout=0.3)
    await ours.send_all(b"last words")

    async def send_for_ever() -> None:
        with contextlib.suppress(trio.BrokenResourceError):
            while True:
                await peer.send_all(bytes(1000))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(send_for_ever)
        await ours.wait_receivable()
        with trio.fail_after(3):
            await end_and_close(ours, limits)


async def test_a_quiet_peer_is_not_waited_for_long(ends: Ends) -> None:
    ours, peer = ends
    await ours.send_all(b"last words")
    await peer.send_all(b"mine")
    with trio.fail_after(LIMITS.linger_timeout / 2):
        await end_and_close(ours, LingerLimits(linger_quiet_timeout=0.1))
    assert await receive_all(peer) == b"last words"


async def test_a_unix_peer_sees_an_end_and_no_reset() -> None:
    ours, peer = map(SocketStream, socket.socketpair())
    with contextlib.closing(ours), contextlib.closing(peer):
        await peer.send_all(b"unread")
        await ours.send_all(b"last words")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(end_and_close, ours)
            assert await receive_all(peer) == b"last words"
            peer.close()
