"""The shared buffer: bytes that nobody looks at go through one piece of memory for all streams.

A buffer for each direction of each connection would be gigabytes for a gateway with thousands of idle tunnels, and
one of this size that is allocated for each piece costs more than the copying. One for all is safe only while there
is nothing in it when anybody waits: otherwise one tenant's bytes would be sent to another. So nobody gets hold of
the memory. What is received into it is handed on in the same step of the event loop, by a plain function, which
cannot be suspended; what the other side does not take at once is copied out.
"""

from __future__ import annotations

import trio

from conductor_trio.net.stream import Stream


class SharedBuffer:
    """Memory of `size` bytes through which any number of streams pass their bytes on; empty between two steps."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._memory = memoryview(bytearray(size))

    async def receive_then_send(
        self, source: Stream, sink: Stream, max_bytes: int | None = None
    ) -> tuple[int, bytes]:
        """Wait for bytes from `source`, hand `sink` what it takes at once, and return their number and the rest.

        The number is of bytes received: `max_bytes` or the buffer's size at most, 0 once the source has ended its
        direction. The rest is for the caller to send with ``sink.send_all()`` before the next piece. Errors of
        receiving are raised; of a sink that is broken the rest is all, and sending that raises the error.
        """
        while True:
            await source.wait_receivable()
            if (passed := self._pass_on(source, sink, max_bytes)) is not None:
                return passed

    def _pass_on(self, source: Stream, sink: Stream, max_bytes: int | None) -> tuple[int, bytes] | None:
        """Receive and send without waiting; None where there was nothing to receive after all."""
        count = source.receive_nowait(self._memory if max_bytes is None else self._memory[:max_bytes])
        if not count:
            return None if count is None else (0, b"")
        try:
            sent = sink.send_nowait(self._memory[:count])
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            sent = 0
        return count, b"" if sent == count else bytes(self._memory[sent:count])
