"""The server's end of a control channel: a thin Trio shell over `ServerProtocol`, with its deadlines.

What may be sent and received when is in the tables of `conductor_trio.control.states`; here are the waits, and
what becomes of a client that does not read.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator

import attrs
import trio

from conductor_trio.control.events import ClientEvent, Leave, ServerEvent
from conductor_trio.control.machine import FromClient, ServerProtocol
from conductor_trio.control.messages import Accepted, Banner, Refused, Registration
from conductor_trio.control.owner_commands import Answer, Command
from conductor_trio.control.relay_inspection import InspectRelay, RelayInspected
from conductor_trio.control.states import ChannelClosed, LastSurplusLine, ServerState, SurplusLine
from conductor_trio.errors import ADMINISTRATORS, RegistrationRefused
from conductor_trio.limits.constants import CONTROL_READ_SIZE
from conductor_trio.limits.server import ServerLimits
from conductor_trio.net.ending import end_gently
from conductor_trio.net.stream import STREAM_LOST, SocketStream
from conductor_trio.server.accounts.fairness import take_turn, wait_turn
from conductor_trio.server.accounts.holdings import Holding


class ChannelEnded(Exception):
    """The client closed the control channel, or broke it, before it was registered."""


class ControlChannel:
    """One control channel; whoever opened the stream closes it.

    `opened` is trio's time at which the client connected, `last_heard` that at which it was last heard, if it was.
    """

    def __init__(self, stream: SocketStream, limits: ServerLimits) -> None:
        self._stream = stream
        self._limits = limits
        self._protocol = ServerProtocol(max_surplus=limits.max_control_lines)
        self._is_sending = False
        self._holding: Holding | None = None
        self.opened = self.last_heard = trio.current_time()

    def charge(self, holding: Holding) -> None:
        """Have it known from now on what this channel has us keep in memory: half a line, answers not read."""
        self._holding = holding
        self._stream.on_held = holding.change

    async def send(self, message: Banner | RelayInspected | Accepted | Refused | Answer) -> None:
        """Send the greeting, a reply or an answer; a client that does not read ends the channel: `STREAM_LOST`."""
        line = self._protocol.send(message)
        self._is_sending = True
        await self._stream.send_all(line)
        self._is_sending = False

    def send_event(self, event: ServerEvent) -> None:
        """Send a registered client an event, if it takes it at once and the channel is not closed.

        Raises one of `STREAM_LOST` where the client is gone.
        """
        if self._protocol.state is ServerState.CLOSED:
            return
        line = self._protocol.send(event)
        if not self._is_sending and self._stream.send_nowait(line) not in (0, len(line)):
            raise trio.BrokenResourceError("half a line was sent, and no more can be")

    async def receive_request(self) -> InspectRelay | Registration | Command:
        """Wait for a question or the registration, or for a command, without end; a line must come in time.

        Raises `RegistrationRefused` with what to tell the client, and `ChannelEnded`.
        """
        match await self._receive():
            case ChannelClosed():
                raise ChannelEnded
            case request:
                assert isinstance(request, InspectRelay | Registration | Command)
                return request

    async def receive_command(self) -> Command:
        """Wait for the next command, after one that was answered; waits and raises as `receive_request` does."""
        request = await self.receive_request()
        assert isinstance(request, Command)
        return request

    async def receive_event(self) -> ClientEvent | ChannelClosed:
        """Wait for what a registered client says next; `ChannelClosed` where its link was lost.

        A client that breaks the protocol counts as one that leaves: `Leave`. Lines that the protocol does not have
        are answered, up to `max_control_lines`.
        """
        while True:
            try:
                event = await self._receive()
                match event:
                    case SurplusLine(reason=reason):
                        await self.send(Refused(reason=reason))
                    case LastSurplusLine(reason=reason):
                        await self.send(Refused(reason=reason))
                        return Leave()
                    case _:
                        assert isinstance(event, ClientEvent | ChannelClosed)
                        return event
            except RegistrationRefused:
                return Leave()
            except STREAM_LOST:
                return ChannelClosed()

    async def refuse(self, error: RegistrationRefused, contact: str = ADMINISTRATORS) -> None:
        """Say why not, and whom to ask, and give the client a moment to read it and to stop sending."""
        advice = error.advice and error.advice.replace(ADMINISTRATORS, contact)
        await self.send(Refused(reason=error.what, advice=advice))
        moment = self._limits.farewell_timeout
        limits = attrs.evolve(self._limits, linger_timeout=moment, linger_quiet_timeout=moment)
        await end_gently(self._stream, limits)

    async def _receive(self) -> FromClient:
        if (event := self._protocol.next_event()) is not None:
            await take_turn()  # it came together with the one before: a read can bring hundreds
            return event
        with trio.CancelScope() as scope:
            while (event := self._protocol.next_event()) is None:
                partial = self._protocol.partial_size
                if partial and scope.deadline == math.inf:
                    scope.deadline = trio.current_time() + self._limits.control_line_timeout
                await wait_turn()
                with self._holding_line(partial):
                    data = await self._stream.receive_some(CONTROL_READ_SIZE)
                if data:
                    self.last_heard = trio.current_time()
                self._protocol.receive_data(data)
            return event
        raise self._protocol.refuse_partial_line()

    @contextlib.contextmanager
    def _holding_line(self, size: int) -> Iterator[None]:
        if self._holding is None or not size:
            yield
            return
        self._holding.change(size)
        try:
            yield
        finally:
            self._holding.change(-size)
