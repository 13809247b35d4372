"""Streams without a kernel: two ends joined by two bounded buffers."""

from __future__ import annotations

import attrs
import trio

from conductor_trio.net.stream import Stream


@attrs.define(eq=False)
class _Pipe:
    """One direction. Every change wakes all who wait."""

    capacity: float
    held: bytearray = attrs.field(factory=bytearray)
    ended: bool = False  # by its writer
    broken: bool = False  # by its writer's reset
    reader_gone: bool = False
    lot: trio.lowlevel.ParkingLot = attrs.field(factory=trio.lowlevel.ParkingLot)

    def changed(self) -> None:
        self.lot.unpark_all()


class MemoryStream(Stream):
    """One end of a pair, with the manners of a UNIX socket."""

    def __init__(self, incoming: _Pipe, outgoing: _Pipe, *, can_half_close: bool) -> None:
        self._incoming = incoming
        self._outgoing = outgoing
        self._closed = False
        self.can_half_close = can_half_close

    async def receive_some(self, max_bytes: int) -> bytes:
        """Wait for bytes and return them; b"" once the peer has ended its direction."""
        await self.wait_receivable()
        return self._take(max_bytes)

    async def wait_receivable(self) -> None:
        """Wait for bytes, an end or an error."""
        await trio.lowlevel.checkpoint()
        pipe = self._incoming
        while not self._closed and not (pipe.held or pipe.ended or pipe.broken):
            await pipe.lot.park()

    def receive_nowait(self, buffer: memoryview) -> int | None:
        """Put what is there into `buffer` and return how many bytes; 0 at the end."""
        data = self._take(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def _take(self, max_bytes: int) -> bytes:
        pipe = self._incoming
        if self._closed:
            raise trio.ClosedResourceError("this stream is closed")
        if pipe.broken:
            raise trio.BrokenResourceError("connection lost: reset")
        data = bytes(pipe.held[:max_bytes])
        del pipe.held[: len(data)]
        pipe.changed()
        return data

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Put all bytes into the buffer, waiting while it is full."""
        await trio.lowlevel.checkpoint()
        pipe, rest = self._outgoing, bytes(data)
        while True:
            if self._closed:
                raise trio.ClosedResourceError("this stream is closed")
            if pipe.reader_gone or pipe.ended or self._incoming.broken:
                raise trio.BrokenResourceError("connection lost: the peer is gone")
            taken = rest if pipe.capacity == float("inf") else rest[: max(0, int(pipe.capacity) - len(pipe.held))]
            pipe.held += taken
            rest = rest[len(taken) :]
            pipe.changed()
            if not rest:
                return
            with trio.fail_after(self.send_timeout):
                await pipe.lot.park()

    async def send_eof(self) -> None:
        """End our direction, where this pair can; otherwise do nothing."""
        if self.can_half_close:
            self._outgoing.ended = True
            self._outgoing.changed()
        await trio.lowlevel.checkpoint()

    def say_end(self) -> None:
        """Have the peer see an end, whether or not this pair can end one direction only."""
        self._outgoing.ended = True
        self._outgoing.changed()

    def end_reading(self) -> None:
        """Take no more from now on, but go on to send: shutdown(SHUT_RD), as sshd does."""
        self._incoming.reader_gone = True
        self._incoming.changed()

    def hold(self, capacity: float) -> None:
        """Have this many bytes of ours wait for the peer, from now on."""
        self._outgoing.capacity = capacity

    def is_fully_closed(self) -> bool:
        """Whether the peer has closed or reset its end."""
        return self._closed or self._outgoing.reader_gone

    def is_abandoned(self) -> bool:
        """Whether the peer has closed or reset its end."""
        return self.is_fully_closed()

    def reset(self) -> None:
        """Close so that the peer sees the connection broken, not ended."""
        if not self._closed:
            self._outgoing.broken = True
        self.close()

    def close(self) -> None:
        """Close at once; tasks that wait here get `trio.ClosedResourceError`."""
        if not self._closed:
            self._closed = True
            self._outgoing.ended = True
            self._incoming.reader_gone = True
            self._outgoing.changed()
            self._incoming.changed()


def memory_stream_pair(
    *, capacity: float = float("inf"), can_half_close: bool = True
) -> tuple[MemoryStream, MemoryStream]:
    """Return two joined streams; each direction holds up to `capacity` bytes that were sent and not yet read."""
    one_way, other_way = _Pipe(capacity=capacity), _Pipe(capacity=capacity)
    return (
        MemoryStream(one_way, other_way, can_half_close=can_half_close),
        MemoryStream(other_way, one_way, can_half_close=can_half_close),
    )
