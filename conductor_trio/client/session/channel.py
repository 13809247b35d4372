"""The client's end of the control channel, over whichever transport."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable

import trio

from conductor_trio.client.transport.base import LinkSilent, ServerAway
from conductor_trio.control import messages, owner_commands
from conductor_trio.control.lines import LineReader
from conductor_trio.errors import ConductorError
from conductor_trio.limits import MAX_CONTROL_LINE, ClientLimits
from conductor_trio.net.relay import STREAM_LOST
from conductor_trio.net.stream import Stream

_CLOSING_TIMEOUT = 0.1  # for the news to come through SSH


class ControlChannel:
    """Greeting, registration, and then events until it closes, where both ends know of them."""

    def __init__(self, stream: Stream, limits: ClientLimits, max_line: int = MAX_CONTROL_LINE) -> None:
        self._stream = stream
        self._limits = limits
        self._lines = LineReader(max_line)
        self._has_events = False
        self._is_pinged = False
        #: Told with each ping for how many seconds nothing has gone through; returns when it is to end for that.
        self.on_idle: Callable[[float], float | None] | None = None

    async def receive_banner(self) -> messages.Banner:
        """Wait for the greeting; raises `TransportError`, `RegistrationRefused` or `RemoteProtocolError`."""
        return messages.parse_banner(await self._receive_line("greets"))

    async def register(self, registration: messages.Registration) -> messages.Accepted:
        """Register and wait for the answer; raises as `receive_banner` does."""
        self._has_events = messages.RESUME in registration.extensions
        await self._request(messages.format_registration(registration))
        return messages.parse_reply(await self._receive_line("answers the registration"))

    async def command(self, command: owner_commands.Command) -> messages.JSONObject:
        """Give an owner's command, instead of registering, and wait for the answer; raises as `register` does."""
        await self._request(owner_commands.format_command(command))
        return owner_commands.parse_answer(await self._receive_line("answers the command"))

    async def next_event(self) -> messages.Event | None:
        """Wait for an event that is not about the channel itself; None at the end.

        Raises `LinkSilent` where a server that pings has stopped to, and `RemoteProtocolError`.
        """
        if not self._has_events:
            await self.wait_closed()
            return None
        while (line := await self._next_line()) is not None:
            event = messages.parse_event(line)
            if event is messages.Event.PING:
                self._is_pinged = True
                ends = None
                if self.on_idle is not None and (idle := messages.parse_idle(line)) is not None:
                    ends = self.on_idle(idle)
                await self._send_line(messages.format_pong(ends))
            elif event is not None:
                return event
        return None

    async def wait_end(self) -> None:
        """Return once the channel has closed or its link is dead; pings are answered meanwhile, events ignored."""
        with contextlib.suppress(ConductorError):
            while await self.next_event() is not None:
                pass

    async def tell_ready(self) -> None:
        """The server knows that the application listens, unless the channel is closed."""
        await self._send(messages.Event.READY)

    async def leave(self) -> None:
        """The server knows that we end on purpose, unless it hangs: `leave_timeout`, cancelled or not."""
        if not self._has_events:
            return
        with trio.CancelScope(shield=True, deadline=trio.current_time() + self._limits.leave_timeout):
            await self._send(messages.Event.LEAVE)
            await self.wait_closed()

    async def wait_closed(self) -> None:
        """Return once the server, or whoever carries the channel, has closed it; what it says is ignored."""
        # No deadline: silence is all that is expected here, for weeks.
        while await self._receive_some(math.inf):
            pass

    async def closes_soon(self) -> bool:
        """Whether the channel is closed, or will be before long."""
        with trio.move_on_after(_CLOSING_TIMEOUT):
            await self.wait_closed()
            return True
        return False

    async def _request(self, line: bytes) -> None:
        try:
            await self._stream.send_all(line)
        except trio.BrokenResourceError as error:
            raise ServerAway("the server has closed the control channel") from error

    async def _send(self, event: messages.Event) -> None:
        await self._send_line(messages.format_event(event))

    async def _send_line(self, line: bytes) -> None:
        with contextlib.suppress(*STREAM_LOST):  # the next read tells
            await self._stream.send_all(line)

    async def _next_line(self) -> bytes | None:
        while (line := self._lines.next_event()) is None:
            # A server that does not ping may be silent for weeks.
            timeout = self._limits.ping_timeout if self._is_pinged else math.inf
            data = await self._receive_some(trio.current_time() + timeout)
            if data is None:
                raise LinkSilent(f"the link is dead: nothing has come from the server for {timeout:g} s")
            if not data:
                return None
            self._lines.receive_data(data)
        return line

    async def _receive_line(self, does_what: str) -> bytes:
        deadline = trio.current_time() + self._limits.control_timeout
        while (line := self._lines.next_event()) is None:
            data = await self._receive_some(deadline)
            if data is None:
                raise LinkSilent(f"the server accepts us, but never {does_what}")
            if not data:
                raise ServerAway("the server, or SSH, closed the control channel at once")
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
