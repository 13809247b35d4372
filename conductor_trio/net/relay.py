"""The two-way splice: bytes from each stream to the other until both directions have ended."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable

import trio

from conductor_trio.net.shared_buffer import SharedBuffer
from conductor_trio.net.stream import Stream

#: What ends a stream from outside; see `Stream`.
STREAM_LOST = (trio.BrokenResourceError, trio.ClosedResourceError, trio.TooSlowError)


async def linger(stream: Stream, *, linger_timeout: float, max_bytes: int, read_size: int) -> None:
    """End our direction, and read away for a while what the peer still sends.

    Closing with unread bytes resets a connection, and the reset would overtake our last words (RFC 9112
    section 9.6).
    """
    with trio.move_on_after(linger_timeout), contextlib.suppress(*STREAM_LOST):
        await stream.send_eof()
        while max_bytes > 0 and (data := await stream.receive_some(read_size)):
            max_bytes -= len(data)


async def splice(
    one: Stream,
    other: Stream,
    buffer: SharedBuffer,
    *,
    passed: Callable[[Stream, int], Awaitable[None]] | None = None,
) -> None:
    """Copy both ways until both sides have ended; an end in one direction leaves the other open.

    An idle splice holds no memory, since all can share one buffer. Only as much is read as the other side has
    taken, so a slow reader slows its writer. A side that breaks, or that cannot end one direction only, ends both,
    once what it had still sent is read. Both streams are left to their owner to close.
    `passed` is awaited with the side and the number of bytes after each piece that was passed on.
    """
    async with trio.open_nursery() as nursery:

        async def copy(source: Stream, sink: Stream) -> None:
            try:
                while True:
                    count, rest = await buffer.receive_then_send(source, sink)
                    if not count:
                        break
                    if rest and not await _send_rest(sink, rest):
                        return  # the other direction comes to its end by itself, after the last words
                    if passed is not None:
                        await passed(sink, count)
                if source.can_half_close and sink.can_half_close and not source.is_fully_closed():
                    await sink.send_eof()
                    return
            except STREAM_LOST:
                pass
            nursery.cancel_scope.cancel()

        nursery.start_soon(copy, one, other, name="splice, one direction")
        await copy(other, one)


async def _send_rest(sink: Stream, rest: bytes) -> bool:
    """Send what a sink did not take at once; False where it is gone altogether and takes nothing any more."""
    try:
        await sink.send_all(rest)
    except trio.BrokenResourceError:
        if not sink.is_fully_closed():
            raise
        return False
    return True
