"""`SocketStream` passes Trio's own suite for streams, once each call is a checkpoint and guards against two tasks.

These two are left out on purpose: see the figures in the docstring of `conductor_trio.net.stream`.
"""

from __future__ import annotations

import functools
import socket
from collections.abc import Callable
from operator import index

import trio
import trio.testing

from conductor_trio.net.poller import EdgePoller, PolledStream
from conductor_trio.net.stream import SocketStream


class TrioStream(trio.abc.HalfCloseableStream):
    """A `SocketStream` with the manners that Trio asks of a stream."""

    def __init__(self, stream: SocketStream) -> None:
        self.stream = stream
        self._is_sending = self._is_receiving = False
        self._has_ended = False

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send it all; ours sends at once where the kernel takes it, without a checkpoint."""
        self._refuse_second(self._is_sending)
        self._is_sending = True
        try:
            await trio.lowlevel.checkpoint()
            if self._has_ended or self.stream.fileno() < 0:
                raise trio.ClosedResourceError
            await self.stream.send_all(data)
        finally:
            self._is_sending = False

    async def wait_send_all_might_not_block(self) -> None:
        """Wait until the kernel takes more."""
        self._refuse_second(self._is_sending)
        self._is_sending = True
        try:
            await trio.lowlevel.checkpoint()
            if self.stream.fileno() < 0:
                raise trio.ClosedResourceError
            await self.stream.wait_writable()
        finally:
            self._is_sending = False

    async def send_eof(self) -> None:
        """End our direction."""
        self._refuse_second(self._is_sending)
        await trio.lowlevel.checkpoint()
        if self.stream.fileno() < 0:
            raise trio.ClosedResourceError
        self._has_ended = True
        await self.stream.send_eof()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """Receive some; ours always waits first."""
        if max_bytes is not None and index(max_bytes) < 1:
            await trio.lowlevel.checkpoint()
            raise ValueError("max_bytes must be positive")
        self._refuse_second(self._is_receiving)
        self._is_receiving = True
        try:
            await trio.lowlevel.checkpoint_if_cancelled()
            return await self.stream.receive_some(max_bytes or 65536)
        finally:
            self._is_receiving = False

    async def aclose(self) -> None:
        """Close, and let others have their turn."""
        self.stream.close()
        await trio.lowlevel.checkpoint()

    def _refuse_second(self, is_busy: bool) -> None:
        if is_busy:
            raise trio.BusyResourceError("another task does this already")


Make = Callable[[socket.socket], SocketStream]


async def check(make: Make) -> None:
    """Run the suite with streams that are made so of sockets."""

    async def make_pair() -> tuple[TrioStream, TrioStream]:
        one, other = socket.socketpair()
        return TrioStream(make(one)), TrioStream(make(other))

    async def make_clogged_pair() -> tuple[TrioStream, TrioStream]:
        one, other = await make_pair()
        for stream in (one.stream, other.stream):
            while stream.send_nowait(bytes(65536)):
                pass
        return one, other

    await trio.testing.check_half_closeable_stream(make_pair, make_clogged_pair)


async def test_trio_s_suite_for_half_closeable_streams() -> None:
    await check(SocketStream)


async def test_trio_s_suite_for_those_that_wait_for_edges() -> None:
    poller = EdgePoller()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(poller.run)
        await trio.testing.wait_all_tasks_blocked()
        await check(functools.partial(PolledStream, poller=poller, send_timeout=float("inf")))
        nursery.cancel_scope.cancel()
