"""The client's end of the control channel, over whichever transport."""

from __future__ import annotations

import math

import trio

from conductor_trio.config import MAX_CONTROL_LINE, ClientLimits
from conductor_trio.errors import TransportError
from conductor_trio.net.streams import Stream
from conductor_trio.wire import control
from conductor_trio.wire.lines import LineReader


class ControlChannel:
    """Greeting, registration, and then silence until it closes: the server takes a further line as an error."""

    def __init__(self, stream: Stream, limits: ClientLimits) -> None:
        self._stream = stream
        self._limits = limits
        self._lines = LineReader(MAX_CONTROL_LINE)

    async def receive_banner(self) -> control.Banner:
        """Wait for the greeting; raises `TransportError`, `RegistrationRefused` or `RemoteProtocolError`."""
        return control.parse_banner(await self._receive_line("greets"))

    async def register(self, registration: control.Registration) -> control.Accepted:
        """Register and wait for the answer; raises as `receive_banner` does."""
        try:
            await self._stream.send_all(control.format_registration(registration))
        except trio.BrokenResourceError as error:
            raise TransportError("the server has closed the control channel") from error
        return control.parse_reply(await self._receive_line("answers the registration"))

    async def wait_closed(self) -> None:
        """Return once the server, or whoever carries the channel, has closed it; what it says is ignored."""
        # No deadline: silence is all that is expected here, for weeks.
        while await self._receive_some(math.inf):
            pass

    async def _receive_line(self, does_what: str) -> bytes:
        deadline = trio.current_time() + self._limits.control_timeout
        while (line := self._lines.next_event()) is None:
            data = await self._receive_some(deadline)
            if data is None:
                raise TransportError(f"the server accepts us, but never {does_what}")
            if not data:
                raise TransportError("the server, or SSH, closed the control channel at once")
            self._lines.receive_data(data)
        return line

    async def _receive_some(self, deadline: float) -> bytes | None:
        """Return what came, b"" at the end, None at the deadline."""
        with trio.CancelScope(deadline=deadline):
            try:
                return await self._stream.receive_some(4096)
            except trio.BrokenResourceError:
                return b""
        return None
