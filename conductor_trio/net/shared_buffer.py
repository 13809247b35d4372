"""The shared buffer: bytes that nobody looks at go through one piece of memory for all streams.

A buffer for each direction of each connection would be gigabytes for a gateway with thousands of idle tunnels, and
one of this size that is allocated for each piece costs more than the copying. One for all is safe only while there
is nothing in it when anybody waits: otherwise one tenant's bytes would be sent to another. So nobody gets hold of
the memory. What is received into it is handed on in the same step of the event loop, by a plain function, which
cannot be suspended; what the other side does not take at once is copied out. That is next to nothing, because no
more is received than the other side has room for: what it does not take stays with whoever sent it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import trio

from conductor_trio.limits.constants import MAX_PIPES
from conductor_trio.net.stream import STREAM_LOST, Stream


class SinkLost(Exception):
    """The stream to which bytes were to go takes no more; one of `STREAM_LOST` is the cause."""


async def wait_sink(sink: Stream, size: int) -> int:
    """Return how many of `size` bytes a sink has room for, once it has any; raises `SinkLost`."""
    if room := sink.room_nowait(size):
        return room
    try:
        return await sink.wait_room(size)
    except STREAM_LOST as error:
        raise SinkLost from error


class SharedBuffer:
    """Memory of `size` bytes through which any number of streams pass their bytes on; empty between two steps.

    `max_pipes` is how many pipes of the kernel's may be used beside it (`splice_pipe`).
    """

    def __init__(self, size: int, max_pipes: int = MAX_PIPES) -> None:
        self.size = size
        self.pipes_left = max_pipes
        self._memory = memoryview(bytearray(size))

    async def receive_then_send(
        self,
        source: Stream,
        sink: Stream,
        max_bytes: int | None = None,
        wait_for_room: Callable[[Stream, int], Awaitable[int]] = wait_sink,
    ) -> tuple[int, bytes]:
        """Wait for bytes from `source`, hand `sink` what it takes at once, and return their number and the rest.

        The number is of bytes received: `max_bytes`, the sink's room or the buffer's size at most, 0 once the
        source has ended its direction. The rest is for the caller to send with ``sink.send_all()`` before the next
        piece. Errors of receiving are raised, and `SinkLost` where the sink never had room; of a sink that is
        broken the rest is all, and sending that raises the error. `wait_for_room` is `wait_sink`, or around it.
        """
        size = self.size if max_bytes is None else min(max_bytes, self.size)
        while True:
            await source.wait_receivable()
            # Only now: a sink that is slow does not matter while there is nothing for it.
            room = sink.room_nowait(size) or await wait_for_room(sink, size)
            if (passed := self._pass_on(source, sink, room)) is not None:
                return passed

    def _pass_on(self, source: Stream, sink: Stream, max_bytes: int) -> tuple[int, bytes] | None:
        """Receive and send without waiting; None where there was nothing to receive after all."""
        count = source.receive_nowait(self._memory[:max_bytes])
        if not count:
            return None if count is None else (0, b"")
        try:
            sent = sink.send_nowait(self._memory[:count])
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            sent = 0
        return count, b"" if sent == count else bytes(self._memory[sent:count])
