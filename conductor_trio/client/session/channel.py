"""The client's end of a control channel: a thin Trio shell over `ClientProtocol`, whichever transport carries it.

What may be sent and received when is in the tables of `conductor_trio.control.states`; here are the deadlines, and
what a channel that breaks means: `ServerAway` where it is closed, `LinkSilent` where nothing comes.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Awaitable, Callable

import trio

from conductor_trio.client.transport.base import LinkSilent, ServerAway
from conductor_trio.control.events import Leave, Output, Ping, Pong, Probe, Ready, ServerEvent
from conductor_trio.control.machine import ClientProtocol
from conductor_trio.control.messages import RELAY, Accepted, Banner, Registration
from conductor_trio.control.owner_commands import Answer, Command
from conductor_trio.control.relay_inspection import InspectRelay, RelayInspected
from conductor_trio.control.states import ChannelClosed, ClientState
from conductor_trio.errors import ConductorError
from conductor_trio.limits.client import ClientLimits
from conductor_trio.limits.constants import MAX_CONTROL_LINE
from conductor_trio.net.stream import STREAM_LOST, Stream


class ControlChannel:
    """One control channel; whoever opened the stream closes it."""

    def __init__(self, stream: Stream, limits: ClientLimits, max_line: int = MAX_CONTROL_LINE) -> None:
        self._stream = stream
        self._limits = limits
        self._protocol = ClientProtocol(max_line=max_line)
        self._sending = trio.Lock()  # lest a line gets into the midst of another

    async def receive_banner(self) -> Banner:
        """Wait for the greeting; raises `TransportError`, `RegistrationRefused` or `RemoteProtocolError`."""
        banner = await self._receive_reply("greets")
        assert isinstance(banner, Banner)
        return banner

    async def finds_relay_open(self) -> bool:
        """Whether the server says that it can use the relay socket as it is; raises as `receive_banner` does."""
        if RELAY not in self._protocol.extensions:
            return False
        await self._request(InspectRelay())
        answer = await self._receive_reply("says how it finds the relay socket")
        assert isinstance(answer, RelayInspected)
        return answer.is_open

    async def while_open(self, wait: Callable[[], Awaitable[None]]) -> None:
        """Wait for something before the registration; raises `ServerAway` where the server goes first."""
        is_done = False
        async with trio.open_nursery() as nursery:

            async def give_up() -> None:
                await self.wait_closed()
                nursery.cancel_scope.cancel()

            nursery.start_soon(give_up, name="control channel, before the registration")
            await wait()
            is_done = True
            nursery.cancel_scope.cancel()
        if not is_done:
            raise ServerAway("the server closed the control channel before the registration")

    async def register(self, registration: Registration) -> Accepted:
        """Register and wait for the answer; raises as `receive_banner` does."""
        await self._request(registration)
        accepted = await self._receive_reply("answers the registration")
        assert isinstance(accepted, Accepted)
        return accepted

    async def command(self, command: Command) -> Answer:
        """Give an owner's command, instead of registering, and wait for the answer; raises as `register` does."""
        await self._request(command)
        answer = await self._receive_reply("answers the command")
        assert isinstance(answer, Answer)
        return answer

    async def next_event(self) -> ServerEvent | None:
        """Wait for an event of the server's, of which a `Ping` is to be answered; None at the channel's end.

        Raises `LinkSilent` where a server that pings has stopped to, and `RemoteProtocolError`. Without the
        extension `resume` no events come, and there is only the end.
        """
        while (event := self._protocol.next_event()) is None:
            # No deadline otherwise: a server that does not ping may be silent for weeks.
            is_pinged = self._protocol.state is ClientState.PINGED
            timeout = self._limits.ping_timeout if is_pinged else math.inf
            data = await self._receive_some(trio.current_time() + timeout)
            if data is None:
                raise LinkSilent(f"the link is dead: nothing has come from the server for {timeout:g} s")
            self._protocol.receive_data(data)
        if isinstance(event, ChannelClosed):
            return None
        assert isinstance(event, ServerEvent)
        return event

    async def wait_end(self) -> None:
        """Return once the channel has closed or its link is dead; pings are answered meanwhile, events ignored."""
        with contextlib.suppress(ConductorError):
            while (event := await self.next_event()) is not None:
                if isinstance(event, Ping):
                    await self.send_event(Pong())

    async def send_event(self, event: Ready | Pong | Output | Probe) -> None:
        """Send an event, unless the channel is closed, which the next `next_event` tells."""
        if self._protocol.state is not ClientState.CLOSED:
            await self._send_line(self._protocol.send(event))

    async def leave(self) -> bool:
        """Tell the server that we end on purpose, if it can be told, and wait until it has taken notice.

        At most for `leave_timeout`, cancelled or not; False where it has not by then.
        """
        if not self._protocol.may_send(Leave):
            return True
        with trio.CancelScope(shield=True, deadline=trio.current_time() + self._limits.leave_timeout) as scope:
            await self._send_line(self._protocol.send(Leave()))
            await self.wait_closed()
        return not scope.cancelled_caught

    async def wait_closed(self) -> None:
        """Return once the server, or whoever carries the channel, has closed it; what it says is ignored."""
        # No deadline: silence is all that is expected here, for weeks.
        while await self._receive_some(math.inf):
            pass

    async def closes_soon(self) -> bool:
        """Whether the channel is closed, or will be before long."""
        with trio.move_on_after(self._limits.closing_timeout):
            await self.wait_closed()
            return True
        return False

    async def _request(self, message: InspectRelay | Registration | Command) -> None:
        try:
            await self._stream.send_all(self._protocol.send(message))
        except trio.BrokenResourceError as error:
            raise ServerAway("the server has closed the control channel") from error

    async def _send_line(self, line: bytes) -> None:
        with contextlib.suppress(*STREAM_LOST):  # the next read tells
            async with self._sending:
                await self._stream.send_all(line)

    async def _receive_reply(self, does_what: str) -> Banner | RelayInspected | Accepted | Answer | ServerEvent:
        deadline = trio.current_time() + self._limits.control_timeout
        while (event := self._protocol.next_event()) is None:
            data = await self._receive_some(deadline)
            if data is None:
                raise LinkSilent(f"the server accepts us, but never {does_what}")
            self._protocol.receive_data(data)
        if isinstance(event, ChannelClosed):
            raise ServerAway("the server, or SSH, closed the control channel at once")
        return event

    async def _receive_some(self, deadline: float) -> bytes | None:
        """Return what came, b"" at the end, None at the deadline."""
        with trio.CancelScope(deadline=deadline):
            try:
                return await self._stream.receive_some(self._limits.read_size)
            except trio.BrokenResourceError:
                return b""
        return None
