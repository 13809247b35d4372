"""The server's end of control channels: lines in under deadlines, lines out, and whether anybody is there."""

from __future__ import annotations

from collections.abc import Callable

import trio

from conductor_trio.control.lines import LineReader
from conductor_trio.control.messages import (
    Event,
    Refused,
    format_event,
    format_reply,
    parse_event,
    parse_pong,
)
from conductor_trio.errors import RegistrationRefused, RemoteProtocolError
from conductor_trio.limits import MAX_CONTROL_LINE, ServerLimits
from conductor_trio.net.relay import STREAM_LOST, linger
from conductor_trio.net.stream import SocketStream

_FAREWELL_TIMEOUT = 1.0  # for a refused client to read why, and to stop sending


class ChannelEnded(Exception):
    """The client closed the control channel, or broke it."""


class ControlChannel:
    """One control channel."""

    def __init__(self, stream: SocketStream, limits: ServerLimits) -> None:
        self._stream = stream
        self._limits = limits
        self._lines = LineReader(MAX_CONTROL_LINE)
        self._is_sending = False
        self.last_heard = trio.current_time()

    async def send(self, line: bytes) -> None:
        """Send a line; a client that does not read ends the channel."""
        self._is_sending = True
        await self._stream.send_all(line)
        self._is_sending = False

    def say(self, event: Event | bytes) -> None:
        """Send an event, or its line, if the client takes it at once; raises a `STREAM_LOST` where it is gone."""
        if not self._is_sending:
            line = event if isinstance(event, bytes) else format_event(event)
            if self._stream.send_nowait(line) not in (0, len(line)):
                raise trio.BrokenResourceError("half a line was sent, and no more can be")

    async def receive_line(self) -> bytes:
        """Return the next line: waited for without end, but once begun it must come in time.

        Raises `RegistrationRefused` for one that is too long or too late, `ChannelEnded` at the end.
        """
        with trio.CancelScope() as scope:
            while True:
                try:
                    line = self._lines.next_event()
                except RemoteProtocolError:
                    raise RegistrationRefused(
                        f"the line is longer than {MAX_CONTROL_LINE} bytes",
                        advice="send one JSON object and a newline",
                    ) from None
                if line is not None:
                    return line
                if self._lines.has_partial_line and scope.deadline == float("inf"):
                    scope.deadline = trio.current_time() + self._limits.control_line_timeout
                data = await self._stream.receive_some(self._limits.read_size)
                if not data:
                    raise ChannelEnded
                self.last_heard = trio.current_time()
                self._lines.receive_data(data)
        raise RegistrationRefused("half a line and then nothing", advice="send one JSON object and a newline")

    async def wait_end(
        self, on_ready: Callable[[], None], on_pong: Callable[[float | None], None] = lambda ends: None
    ) -> bool:
        """Wait for the channel's end, and return whether the client's link was lost; otherwise it left.

        `on_ready` is called when the client says that its application listens, `on_pong` with each answer to
        a ping: when (Unix time) the application ends because nobody uses it. Lines that the protocol does not have
        are answered, up to a number.
        """
        unknown = 0
        try:
            while unknown < self._limits.max_control_lines:
                line = await self.receive_line()
                match parse_event(line):
                    case Event.PONG:
                        on_pong(parse_pong(line))
                    case Event.READY:
                        on_ready()
                    case Event.LEAVE:
                        return False
                    case _:
                        unknown += 1
                        reason = "already registered; open another control channel"
                        await self.send(format_reply(Refused(reason=reason)))
        except RegistrationRefused:
            pass
        except (ChannelEnded, *STREAM_LOST):
            return True
        return False

    async def refuse(self, error: RegistrationRefused) -> None:
        """Say why not, and give the client a moment to read it and to stop sending."""
        await self.send(format_reply(Refused(reason=error.what, advice=error.advice)))
        await linger(
            self._stream,
            linger_timeout=_FAREWELL_TIMEOUT,
            max_bytes=self._limits.max_linger,
            read_size=self._limits.read_size,
        )
