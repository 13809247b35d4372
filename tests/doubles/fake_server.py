"""A server without a kernel: a transport for the client's connection, and the server's end of what it carries."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import attrs
import trio

from conductor_trio.client.output.reporter import LogReporter
from conductor_trio.client.output.writer import Output
from conductor_trio.client.transport.base import ServerAway, Transport
from conductor_trio.client.transport.doorway import Expectation
from conductor_trio.control.lines import LineReader
from conductor_trio.errors import TransportError
from conductor_trio.limits.client import ClientLimits
from tests.doubles.streams import MemoryStream, memory_stream_pair

Event = dict[str, Any]


class RecordedOutput(Output):
    """Keeps the client's events instead of writing them."""

    def __init__(self) -> None:
        super().__init__(-1, ClientLimits(), LogReporter())
        self.events: list[Event] = []
        self._grown = trio.lowlevel.ParkingLot()
        self._seen = 0

    def write(self, data: bytes) -> None:
        """Keep an event."""
        self.events.append(json.loads(data))
        self._grown.unpark_all()

    async def wait_for(self, state: str) -> Event:
        """Return the next event of that state."""
        while True:
            while self._seen < len(self.events):
                self._seen += 1
                if self.events[self._seen - 1]["state"] == state:
                    return self.events[self._seen - 1]
            await self._grown.park()

    def forget(self) -> None:
        """Begin anew."""
        self.events.clear()
        self._seen = 0

    def all(self, state: str) -> list[Event]:
        """Return the events of that state so far."""
        return [event for event in self.events if event["state"] == state]


@attrs.define(eq=False)
class Channel:
    """The server's end of a control channel; greeted already."""

    directory: str
    stream: MemoryStream
    lines: LineReader = attrs.field(factory=lambda: LineReader(65536))

    async def receive(self) -> Event | None:
        """Return what the client says next, None once it has closed the channel."""
        while (line := self.lines.next_event()) is None:
            if not (data := await self.stream.receive_some(4096)):
                return None
            self.lines.receive_data(data)
        message: Event = json.loads(line)
        return message

    async def send(self, **message: object) -> None:
        """Send a line."""
        await self.stream.send_all(json.dumps(message).encode() + b"\n")

    async def say(self, event: str) -> None:
        """Send an event."""
        await self.send(event=event)

    async def accept(self) -> Event:
        """Wait for the registration, take it, and return it."""
        registration = await self.receive()
        assert registration is not None
        await self.send(status="ok", urls=["lab-me.localhost"])
        return registration

    async def refuse(self, reason: str) -> Event:
        """Wait for the registration, refuse it, close the channel, and return it."""
        registration = await self.receive()
        assert registration is not None
        await self.send(status="error", reason=reason)
        self.close()
        return registration

    def close(self) -> None:
        """Close the channel, as a server that ends."""
        self.stream.close()


class FakeServer:
    """Whom the client dials."""

    def __init__(self) -> None:
        self.extensions = ["resume"]
        self.is_away = False  # no server listens at the control socket
        self.dials = 0
        self.dial_failures: list[Exception] = []  # of the next dials
        self.relay_failures: list[Exception] = []  # of the next relays
        self.ends_at_failures = False  # the server has gone, and that is why
        self.relays: set[str] = set()  # that stand
        self.admitted: list[str] = []  # relays that were opened to the server
        self.takes_long = False  # to open a relay to the server: for ever
        self.finished = 0  # how many transports were to pass on what was under way
        self.transport_lost = trio.Event()
        self.expectation: Expectation | None = None  # the last probe that is to arrive
        self._channels: list[Channel] = []
        self._send, self._receive = trio.open_memory_channel[Channel](1000)

    async def next_channel(self) -> Channel:
        """Wait for the client to open a control channel."""
        return await self._receive.receive()

    async def accept(self) -> tuple[Channel, Event]:
        """Wait for a channel, accept its registration, and return both."""
        channel = await self.next_channel()
        return channel, await channel.accept()

    @contextlib.asynccontextmanager
    async def open_transport(self) -> AsyncIterator[Transport]:
        """Give a transport, lost when `transport_lost` is set."""
        self.dials += 1
        if self.dial_failures:
            raise self.dial_failures.pop(0)
        self.transport_lost = trio.Event()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._lose, self.transport_lost)
            yield _FakeTransport(self)
            nursery.cancel_scope.cancel()

    async def _lose(self, lost: trio.Event) -> None:
        await lost.wait()
        raise TransportError("the cable is cut")

    async def open_channel(self) -> MemoryStream:
        """Return the client's end of a new channel, on which the greeting has been sent."""
        if self.is_away:
            raise ServerAway("no server there")
        ours, theirs = memory_stream_pair()
        channel = Channel(directory=f"/d{len(self._channels)}", stream=ours)
        self._channels.append(channel)
        extensions = {"extensions": self.extensions} if self.extensions else {}
        await channel.send(directory=channel.directory, status="ok", **extensions)
        self._send.send_nowait(channel)
        return theirs

    def fail_relay(self) -> None:
        """Raise what is to go wrong with the next relay, if anything."""
        if self.relay_failures:
            if self.ends_at_failures:
                self._channels[-1].close()
            raise self.relay_failures.pop(0)


class _FakeTransport(Transport):
    def __init__(self, server: FakeServer) -> None:
        self._server = server

    async def connect_control(self) -> MemoryStream:
        return await self._server.open_channel()

    async def admit_server(self, path: str) -> None:
        self._server.admitted.append(path)
        if self._server.takes_long:
            await trio.sleep_forever()

    async def finish(self, hurry: trio.Event) -> None:
        self._server.finished += 1

    @contextlib.contextmanager
    def expecting(self, nonce: bytes) -> Iterator[Expectation]:
        self._server.expectation = Expectation(nonce)
        yield self._server.expectation

    @contextlib.asynccontextmanager
    async def open_relay(self, path: str) -> AsyncIterator[None]:
        self._server.fail_relay()
        self._server.relays.add(path)
        try:
            yield
        finally:
            self._server.relays.remove(path)
