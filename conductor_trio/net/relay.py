"""The two-way splice: bytes from each stream to the other until both directions have ended."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Awaitable, Callable

import attrs
import trio

from conductor_trio.limits.constants import READ_AWAY_SIZE
from conductor_trio.limits.linger import LingerLimits
from conductor_trio.net.ending import end_gently
from conductor_trio.net.shared_buffer import SharedBuffer, SinkLost, wait_sink
from conductor_trio.net.stream import STREAM_LOST, SocketStream, Stream


@attrs.define(eq=False)
class Relays:
    """Any number of relays, each of two connections spliced, and what they share."""

    _limits: LingerLimits
    _buffer: SharedBuffer
    _running: dict[Splice, trio.CancelScope] = attrs.field(factory=dict, init=False)
    _is_finishing: bool = attrs.field(default=False, init=False)

    async def run(self, visitor: SocketStream, application: SocketStream) -> None:
        """Splice two connections, and return once both may be closed without loss."""
        splice = Splice(visitor, application, self._buffer, self._limits)
        with trio.CancelScope() as scope:
            self._running[splice] = scope
            if self._is_finishing:
                self._finish(splice, scope)
            try:
                await splice.run()
                await end_gently(application, self._limits)
                await end_gently(visitor, self._limits)
            finally:
                del self._running[splice]

    def finish(self) -> None:
        """Have all be over soon, whatever happens: their session is, and only last words are under way."""
        self._is_finishing = True
        for splice, scope in self._running.items():
            self._finish(splice, scope)

    def _finish(self, splice: Splice, scope: trio.CancelScope) -> None:
        splice.finish(self._limits.ended_session)
        scope.deadline = trio.current_time() + self._limits.ended_session_timeout


_FROM_ONE, _FROM_OTHER = "from one", "from other"


@attrs.define(eq=False)
class Splice:
    """Copies both ways until both sides have ended; an end in one direction leaves the other open.

    An idle splice holds no memory, since all can share one buffer, and neither does one that waits for a slow
    reader: only as much is read as the other side has room for, so that a slow reader slows its writer. `passed`
    is awaited with the side and the number of bytes after each piece that was passed on. A side that `may_end`
    refuses an end does not hear of one, and the splice is over.

    What one side does not take says nothing of what it still has to say: OpenSSH shuts down one direction of a
    relayed connection when the application's has closed, while the last words are under way (its "eow" message).
    So a failed write ends its own direction only. What the other side sends is then read away, lest that waits
    with more to send and does not read. The splice is over when nothing has come for `silence_timeout`.
    Both streams are left to their owner to close.
    """

    _one: Stream
    _other: Stream
    _buffer: SharedBuffer
    _limits: LingerLimits
    _passed: Callable[[Stream, int], Awaitable[None]] | None = None
    _may_end: Callable[[Stream], bool] | None = None
    _scope: trio.CancelScope | None = attrs.field(default=None, init=False)  # the nursery's, while it runs
    _from_one: trio.CancelScope = attrs.field(factory=trio.CancelScope, init=False)  # of that direction
    _latest: float = attrs.field(default=math.inf, init=False)  # when it is over in any case
    _over: set[str] = attrs.field(factory=set, init=False)  # directions
    _sending: int = attrs.field(default=0, init=False)  # directions that wait for a slow reader

    async def run(self, early_from_one: bytes = b"", early_from_other: bytes = b"") -> None:
        """Copy to the end; what was received before, if anything, goes first in its direction."""
        async with trio.open_nursery() as nursery:
            self._scope = nursery.cancel_scope
            if self._latest != math.inf:  # told to finish already
                self._await_silence()
            nursery.start_soon(self._copy_from_one, early_from_one, name="splice, one direction")
            copying = self._copy(_FROM_OTHER, self._other, self._one, early_from_other)
            early_from_one = early_from_other = b""  # or they would stay for as long as this takes
            await copying

    @property
    def is_sending(self) -> bool:
        """Whether somebody is waited for who reads slowly."""
        return self._sending > 0

    def finish(self, limits: LingerLimits, *, hears_one: bool = True) -> None:
        """Pass on what is under way and be over soon, whatever happens: nothing more is to be said.

        Without `hears_one` nothing more of the one side's reaches the other one, from this moment on.
        """
        if not hears_one:
            self._from_one.cancel()
        self._limits = limits
        self._latest = trio.current_time() + limits.linger_total_timeout
        self._await_silence()

    async def _copy_from_one(self, rest: bytes) -> None:
        with self._from_one:
            await self._copy(_FROM_ONE, self._one, self._other, rest)
        if self._from_one.cancelled_caught:
            self._over.add(_FROM_ONE)
            self._await_silence()  # which what was waited for to be taken may have kept off

    async def _copy(self, direction: str, source: Stream, sink: Stream, rest: bytes) -> None:
        is_taken = not rest or await self._send(sink, rest)
        rest = b""
        while is_taken:
            try:
                count, rest = await self._buffer.receive_then_send(source, sink, None, self._wait_sink)
            except STREAM_LOST:
                break  # what it had said is passed on, as before an end
            except SinkLost as error:
                is_taken = False
                if isinstance(error.__cause__, trio.TooSlowError):
                    self._cancel()  # it is given up
                break
            if not count:
                break
            if rest:
                is_taken = await self._send(sink, rest)
                rest = b""
            if self._passed is not None:
                await self._passed(sink, count)
            if self._awaits_silence:
                self._await_silence()
        self._over.add(direction)
        await self._end(source, sink, is_taken=is_taken)
        if len(self._over) == 2:
            self._cancel()
        elif is_taken:
            await self._watch(source)

    async def _send(self, sink: Stream, rest: bytes) -> bool:
        """Send what a sink did not take at once; False where it takes nothing any more."""
        self._sending += 1
        try:
            if self._awaits_silence:
                self._await_silence()
            await sink.send_all(rest)
        except trio.TooSlowError:
            self._cancel()  # it is given up
            return False
        except STREAM_LOST:
            return False
        finally:
            self._sending -= 1
        return True

    async def _wait_sink(self, sink: Stream, size: int) -> int:
        """Wait until a sink has room for what has come for it."""
        self._sending += 1
        try:
            if self._awaits_silence:
                self._await_silence()
            return await wait_sink(sink, size)
        finally:
            self._sending -= 1

    async def _end(self, source: Stream, sink: Stream, *, is_taken: bool) -> None:
        """End the direction of a source that has ended, or whose sink takes nothing any more."""
        if not is_taken:
            if len(self._over) < 2:
                await self._read_away(source)
            return
        if self._may_end is not None and not self._may_end(sink):
            self._cancel()
            return
        with contextlib.suppress(*STREAM_LOST):
            await sink.send_eof()
        is_gone = source.is_fully_closed()
        if is_gone and source.can_half_close:
            self._cancel()  # nobody is there to take what comes in the other direction
        elif is_gone or not sink.can_half_close:
            self._await_silence()

    async def _watch(self, source: Stream) -> None:
        """Be over soon once a source that has ended breaks: of that nothing tells while the other is silent."""
        while not source.is_abandoned():  # noqa: ASYNC110 - no event tells of that
            await trio.sleep(self._limits.break_interval)
        self._await_silence()

    async def _read_away(self, source: Stream) -> None:
        """Read what nobody takes."""
        self._await_silence()
        left = self._limits.max_linger
        with contextlib.suppress(*STREAM_LOST):
            while left > 0 and (data := await source.receive_some(READ_AWAY_SIZE)):
                left -= len(data)

    @property
    def _awaits_silence(self) -> bool:
        return self._scope is not None and self._scope.deadline != math.inf

    def _await_silence(self) -> None:
        """From now on, be over after a silence, which a slow reader does not make."""
        limits = self._limits
        patience = limits.send_stall_timeout if self._sending else limits.silence_timeout
        if self._scope is not None:
            self._scope.deadline = min(trio.current_time() + patience, self._latest)

    def _cancel(self) -> None:
        if self._scope is not None:
            self._scope.cancel()
