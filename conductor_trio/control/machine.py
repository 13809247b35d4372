"""The control channel's two ends as sans-IO machines in the manner of h11: bytes in, messages out, and back.

Both move through the tables of `conductor_trio.control.states`. Each line is parsed once, as what can come in the
state in which it is read. A shell reads like this::

    while (event := protocol.next_event()) is None:
        protocol.receive_data(await stream.receive_some(4096))  # b"" is the end
    await stream.send_all(protocol.send(reply))
"""

from __future__ import annotations

from typing import Generic

from conductor_trio.control import events, messages, owner_commands, relay_inspection
from conductor_trio.control.events import ClientEvent, Leave, Output, Pong, Probe, Ready, ServerEvent
from conductor_trio.control.lines import LineReader
from conductor_trio.control.messages import Accepted, Banner, Refused, Registration
from conductor_trio.control.owner_commands import Answer, Command
from conductor_trio.control.relay_inspection import InspectRelay, RelayInspected
from conductor_trio.control.states import (
    CLIENT_RECEIVES,
    CLIENT_SENDS,
    IGNORING,
    SERVER_RECEIVES,
    SERVER_SENDS,
    BadLine,
    ChannelClosed,
    ClientState,
    LastSurplusLine,
    S,
    ServerState,
    SurplusLine,
    Table,
)
from conductor_trio.errors import LocalProtocolError, RegistrationRefused, RemoteProtocolError
from conductor_trio.limits.constants import MAX_CONTROL_LINE

#: What the server's end is told: what the client says, or that there is no more.
FromClient = Registration | InspectRelay | Command | ClientEvent | SurplusLine | LastSurplusLine | ChannelClosed


class _Protocol(Generic[S]):
    """What both ends share: bytes in, and a move in the tables for each message."""

    def __init__(self, start: S, closed: S, sends: Table[S], receives: Table[S], max_line: int) -> None:
        self.state = start
        #: The extensions that both ends speak on this channel, as far as that is known yet.
        self.extensions: frozenset[str] = frozenset()
        self._closed, self._sends, self._receives = closed, sends, receives
        self._lines = LineReader(max_line)
        self._max_line = max_line
        self._has_ended = False

    def receive_data(self, data: bytes) -> None:
        """Take in what the other end sent; nothing is its end."""
        if not data:
            self._has_ended = True
        elif self.state not in IGNORING:
            self._lines.receive_data(data)

    @property
    def partial_size(self) -> int:
        """How many bytes have come of a line whose newline has not."""
        return self._lines.partial_size

    @property
    def has_partial_line(self) -> bool:
        """Whether a line has begun and its newline has not come."""
        return self._lines.has_partial_line

    def may_send(self, kind: type) -> bool:
        """Whether a message of that class is possible now."""
        return self._next_state(self._sends, kind) is not None

    def _next_state(self, table: Table[S], kind: type) -> S | None:
        row = table[self.state]
        for extension in self.extensions:
            if (found := row.get((kind, extension))) is not None:
                return found
        return row.get(kind)

    def _note_sent(self, message: object) -> None:
        kind = type(message)
        if (state := self._next_state(self._sends, kind)) is None:
            raise LocalProtocolError(f"{kind.__name__} cannot be sent in the state {self.state.name}")
        self.state = state

    def _note_received(self, kind: type) -> None:
        state = self._next_state(self._receives, kind)
        assert state is not None, (self.state, kind)
        self.state = state

    def _next_line(self) -> bytes | ChannelClosed | None:
        """Return the next line where one can be read in this state; raises `RemoteProtocolError`."""
        is_listening = bool(self._receives[self.state])
        if is_listening and (line := self._lines.next_event()) is not None:
            return line
        if self.state is self._closed or (self._has_ended and (is_listening or self.state in IGNORING)):
            self.state = self._closed
            return ChannelClosed()
        return None


class ServerProtocol(_Protocol[ServerState]):
    """The server's end of one control channel.

    `max_surplus` is how many lines of a registered client that the protocol does not have are answered.
    """

    def __init__(self, *, max_surplus: int, max_line: int = MAX_CONTROL_LINE) -> None:
        super().__init__(
            ServerState.SEND_BANNER, ServerState.CLOSED, SERVER_SENDS, SERVER_RECEIVES, max_line=max_line
        )
        self._surplus_left = max_surplus

    def send(self, message: Banner | RelayInspected | Accepted | Refused | Answer | ServerEvent) -> bytes:
        """Return the line to be sent; raises `LocalProtocolError` where the message cannot come now."""
        self._note_sent(message)
        match message:
            case Banner():
                return messages.format_banner(message.directory, message.site_name, message.help_url)
            case RelayInspected():
                return relay_inspection.format_inspected(message)
            case Accepted() | Refused():
                return messages.format_reply(message)
            case Answer():
                return owner_commands.format_answer(message)
            case _:
                return events.format_event(message)

    def next_event(
        self,
    ) -> FromClient | None:
        """Return what the client says next; None where bytes are lacking, or where it is our turn.

        Raises `RegistrationRefused` with what is wrong, which the client is to be told unless the state is CLOSED.
        """
        try:
            line = self._next_line()
            if line is None or isinstance(line, ChannelClosed):
                return line
            event = self._parse(line)
        except RemoteProtocolError:
            self._note_received(BadLine)
            raise RegistrationRefused(
                f"the line is longer than {self._max_line} bytes", advice="send one JSON object and a newline"
            ) from None
        except RegistrationRefused:
            self._note_received(BadLine)
            raise
        self._note_received(type(event))
        if isinstance(event, Registration):
            self.extensions = event.extensions
        return event

    def refuse_partial_line(self) -> RegistrationRefused:
        """Return why the client is refused whose line did not come to its end in time."""
        self._note_received(BadLine)
        return RegistrationRefused("half a line and then nothing", advice="send one JSON object and a newline")

    def _parse(self, line: bytes) -> FromClient:
        if self.state is ServerState.REGISTERED:
            event = events.parse_event(line)
            return event if isinstance(event, ClientEvent) else self._count_surplus()
        if self.state is ServerState.COMMANDING:
            command = owner_commands.parse_command(line)
            if command is None:
                raise RegistrationRefused(
                    "a channel is for commands or for a registration", advice="open another one"
                )
            return command
        message = messages.parse_request(line)
        return (
            relay_inspection.read_inspection(message)
            or owner_commands.read_command(message)
            or messages.read_registration(message)
        )

    def _count_surplus(self) -> SurplusLine | LastSurplusLine:
        self._surplus_left -= 1
        return SurplusLine() if self._surplus_left > 0 else LastSurplusLine()


class ClientProtocol(_Protocol[ClientState]):
    """The client's end of one control channel."""

    def __init__(self, *, max_line: int = MAX_CONTROL_LINE) -> None:
        super().__init__(
            ClientState.AWAIT_BANNER, ClientState.CLOSED, CLIENT_SENDS, CLIENT_RECEIVES, max_line=max_line
        )

    def send(self, message: InspectRelay | Registration | Command | ClientEvent) -> bytes:
        """Return the line to be sent; raises `LocalProtocolError` where the message cannot come now."""
        if isinstance(message, Registration) and not message.extensions <= self.extensions:
            raise LocalProtocolError("the registration names extensions that the server has not announced")
        self._note_sent(message)
        match message:
            case Registration():
                self.extensions = message.extensions
                return messages.format_registration(message)
            case InspectRelay():
                return relay_inspection.format_inspection()
            case Ready() | Pong() | Output() | Probe() | Leave():
                return events.format_event(message)
            case _:
                return owner_commands.format_command(message)

    def next_event(self) -> Banner | RelayInspected | Accepted | Answer | ServerEvent | ChannelClosed | None:
        """Return what the server says next; None where bytes are lacking, or where it is our turn.

        Raises `RegistrationRefused` with the reason that the server gives, and `RemoteProtocolError`.
        """
        while True:
            try:
                line = self._next_line()
                if line is None or isinstance(line, ChannelClosed):
                    return line
                event = self._parse(line)
            except RegistrationRefused:
                self._note_received(Refused)
                raise
            except RemoteProtocolError:
                self._note_received(BadLine)
                raise
            if event is not None:
                self._note_received(type(event))
                if isinstance(event, Banner):
                    self.extensions = event.extensions
                return event

    def _parse(self, line: bytes) -> Banner | RelayInspected | Accepted | Answer | ServerEvent | None:
        """Read what must come now; None for an event that we do not know."""
        match self.state:
            case ClientState.AWAIT_BANNER:
                return messages.parse_banner(line)
            case ClientState.AWAIT_REPLY:
                return messages.parse_reply(line)
            case ClientState.AWAIT_INSPECTION:
                return relay_inspection.parse_inspected(line)
            case ClientState.AWAIT_ANSWER:
                return owner_commands.parse_answer(line)
            case _:
                event = events.parse_event(line)
                return event if isinstance(event, ServerEvent) else None
