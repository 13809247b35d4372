"""The two-way splice: bytes from each stream to the other until both directions have ended."""

from __future__ import annotations

import trio

from conductor_trio.net.streams import Stream


async def splice(one: Stream, other: Stream, *, read_size: int) -> None:
    """Copy both ways until both sides have ended; an end in one direction leaves the other open.

    Only as much is read as the other side has taken, so a slow reader slows its writer. A side that breaks,
    or that cannot end one direction only, ends both. Both streams are left to their owner to close.
    """
    async with trio.open_nursery() as nursery:

        async def copy(source: Stream, sink: Stream) -> None:
            try:
                while data := await source.receive_some(read_size):
                    await sink.send_all(data)
                if source.can_half_close and sink.can_half_close and not source.has_hung_up():
                    await sink.send_eof()
                    return
            except (trio.BrokenResourceError, trio.ClosedResourceError, trio.TooSlowError):
                pass
            nursery.cancel_scope.cancel()

        nursery.start_soon(copy, one, other)
        await copy(other, one)
