"""A visitor's connection that another process of ours goes on with: its bytes are carried there and back."""

from __future__ import annotations

import attrs

from conductor_trio.limits.linger import BRIEF_LINGER, HANDED_LINGER
from conductor_trio.net.ending import end_gently
from conductor_trio.net.relay import Splice
from conductor_trio.net.stream import SocketStream, Stream
from conductor_trio.server.proxy.context import ProxyContext
from conductor_trio.server.proxy.exchange.exchange import Outcome
from conductor_trio.server.proxy.exchange.whole_end import WholeEnd


@attrs.define(kw_only=True, eq=False)
class Handed:
    """Another process has the request by now, and whatever follows: what is left is to carry bytes both ways.

    Whoever serves the connection owns `stream` from then on, and `end`, where nothing else may show a cut.
    """

    stream: SocketStream
    end: WholeEnd | None
    from_visitor: bytes  #: what came early
    from_other: bytes

    def take_early(self) -> tuple[bytes, bytes]:
        """Return what came early from either, and keep it no longer."""
        early = self.from_visitor, self.from_other
        self.from_visitor = self.from_other = b""
        return early

    @property
    def is_whole(self) -> bool:
        """Whether the other process's end, which has come, is that of all that it had to say."""
        return self.end is None or self.end.was_told()

    def close(self) -> None:
        """Close what it owns."""
        self.stream.close()
        if self.end is not None:
            self.end.close()


async def relay_handed(handed: Handed, visitor: Stream, context: ProxyContext) -> Outcome:
    """Carry the bytes until either has ended; closes the other process's connection.

    It is the other one's to count, to time and to end: what it does to its connection is done to the visitor's.
    """
    other = handed.stream
    try:
        splice = Splice(
            visitor, other, context.buffer, HANDED_LINGER, may_end=lambda sink: sink is other or handed.is_whole
        )
        await splice.run(*handed.take_early())
        await end_gently(other, BRIEF_LINGER)
        return Outcome.CLOSE if handed.is_whole else Outcome.ABORT
    finally:
        handed.close()
