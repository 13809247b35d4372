"""The server's end of a control channel: what it waits for, and what becomes of a client that is mute."""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import AsyncIterator

import attrs
import pytest
import trio
import trio.testing

from conductor_trio.access.tokens import hash_token
from conductor_trio.control.events import Leave, Ping, Pong, Ready, Replaced, Stop
from conductor_trio.control.messages import EXTENSIONS, RESUME, Accepted, Banner, Registration, format_registration
from conductor_trio.control.owner_commands import Answer, ListSessions
from conductor_trio.control.states import ChannelClosed
from conductor_trio.errors import ADMINISTRATORS, LocalProtocolError, RegistrationRefused
from conductor_trio.limits.server import ServerLimits
from conductor_trio.net.stream import STREAM_LOST, SocketStream
from conductor_trio.server.sessions.channel import ChannelEnded, ControlChannel

LIMITS = ServerLimits(max_control_lines=3)
DIGEST = hash_token(b"t")


@attrs.frozen
class Ends:
    """The server's channel, and the client's socket."""

    channel: ControlChannel
    client: SocketStream

    async def receive(self) -> list[dict[str, object]]:
        """Return the lines that have come."""
        data = await self.client.receive_some(1 << 20)
        return [json.loads(line) for line in data.splitlines()]

    async def register(self, *extensions: str) -> None:
        """Take every step."""
        await self.channel.send(Banner(directory="/d"))
        registration = Registration(auth=DIGEST, key="k", extensions=frozenset(extensions))
        await self.client.send_all(format_registration(registration))
        assert await self.channel.receive_request() == registration
        await self.channel.send(Accepted(urls=("k.test",), key="k"))
        assert len(await self.receive()) == 2


@pytest.fixture
async def ends() -> AsyncIterator[Ends]:
    ours, theirs = socket.socketpair()
    with (
        contextlib.closing(SocketStream(ours, send_timeout=1)) as server,
        contextlib.closing(SocketStream(theirs)) as client,
    ):
        yield Ends(ControlChannel(server, LIMITS), client)


async def test_events_go_both_ways(ends: Ends) -> None:
    await ends.register(*EXTENSIONS)
    ends.channel.send_event(Ping(idle=1.5, visitors=2))
    ends.channel.send_event(Stop())
    assert await ends.receive() == [{"event": "ping", "idle": 1.5, "visitors": 2}, {"event": "stop"}]
    await ends.client.send_all(b'{"event": "ready"}\n{"event": "pong", "ends": 1800000000}\n{"event": "leave"}\n')
    assert await ends.channel.receive_event() == Ready()
    assert await ends.channel.receive_event() == Pong(ends=1.8e9)
    assert await ends.channel.receive_event() == Leave()


async def test_who_does_not_speak_an_extension_is_sent_none_of_its_events(ends: Ends) -> None:
    await ends.register(RESUME)
    with pytest.raises(LocalProtocolError):
        ends.channel.send_event(Stop())


async def test_a_closed_channel_takes_no_more_events(ends: Ends) -> None:
    await ends.register(RESUME)
    await ends.client.send_all(b'{"event": "leave"}\n')
    assert await ends.channel.receive_event() == Leave()
    ends.channel.send_event(Replaced())
    await ends.client.send_eof()
    assert await ends.channel.receive_event() == ChannelClosed()


@pytest.mark.parametrize("last_words", [b"", b'{"event": "lea'])
async def test_an_end_without_a_word_is_a_lost_link(ends: Ends, last_words: bytes) -> None:
    await ends.register(RESUME)
    await ends.client.send_all(last_words)
    await ends.client.send_eof()
    assert await ends.channel.receive_event() == ChannelClosed()


async def test_so_is_a_broken_one(ends: Ends) -> None:
    await ends.register(RESUME)
    ends.channel.send_event(Ping(idle=0.0, visitors=0))
    ends.client.close()  # with bytes unread, which resets the connection
    assert await ends.channel.receive_event() == ChannelClosed()
    with pytest.raises(STREAM_LOST):
        ends.channel.send_event(Ping(idle=0.0, visitors=0))


async def test_surplus_lines_are_answered_up_to_a_number_and_then_it_counts_as_leaving(ends: Ends) -> None:
    await ends.register(RESUME)
    await ends.client.send_all(b"what?\n" * 10)
    assert await ends.channel.receive_event() == Leave()
    answers = await ends.receive()
    assert (
        answers
        == [{"status": "error", "reason": "already registered; open another control channel"}]
        * LIMITS.max_control_lines
    )


async def test_a_line_that_is_too_long_counts_as_leaving(ends: Ends) -> None:
    await ends.register(RESUME)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(ends.client.send_all, b"x" * 70_000)
        assert await ends.channel.receive_event() == Leave()
        nursery.cancel_scope.cancel()


async def test_so_does_half_a_line_and_then_silence(ends: Ends, mock_clock: trio.testing.MockClock) -> None:
    await ends.register(RESUME)
    async with trio.open_nursery() as nursery:
        events: list[object] = []

        async def receive() -> None:
            events.append(await ends.channel.receive_event())

        nursery.start_soon(receive)
        await trio.testing.wait_all_tasks_blocked()
        mock_clock.jump(24 * 3600)  # silence before a line is no fault
        await ends.client.send_all(b"{")
        await trio.testing.wait_all_tasks_blocked(0.05)
        mock_clock.jump(LIMITS.control_line_timeout - 1)
        await trio.testing.wait_all_tasks_blocked()
        assert not events
        mock_clock.jump(1)
    assert events == [Leave()]


async def test_last_heard_is_when_bytes_came(ends: Ends, mock_clock: trio.testing.MockClock) -> None:
    await ends.register(RESUME)
    before = ends.channel.last_heard
    mock_clock.jump(5)
    await ends.client.send_all(b'{"event": "pong"}\n')
    await ends.channel.receive_event()
    assert ends.channel.last_heard == before + 5


async def test_commands_follow_one_another(ends: Ends) -> None:
    await ends.channel.send(Banner(directory="/d"))
    await ends.client.send_all(b'{"command": "list"}\n{"command": "list"}\n{"auth": "x"}\n')
    assert await ends.channel.receive_request() == ListSessions()
    await ends.channel.send(Answer(fields={"sessions": []}))
    assert await ends.channel.receive_command() == ListSessions()
    await ends.channel.send(Answer(fields={"sessions": []}))
    assert (await ends.receive())[1:] == [{"status": "ok", "sessions": []}] * 2
    with pytest.raises(RegistrationRefused, match="a channel is for commands or for a registration"):
        await ends.channel.receive_command()


async def test_who_closes_before_asking_ends_the_channel(ends: Ends) -> None:
    await ends.channel.send(Banner(directory="/d"))
    await ends.client.send_eof()
    with pytest.raises(ChannelEnded):
        await ends.channel.receive_request()


async def test_a_refused_client_has_a_moment(ends: Ends, autojump_clock: trio.testing.MockClock) -> None:
    started = trio.current_time()
    await ends.channel.refuse(RegistrationRefused("no", advice="ask"))
    assert trio.current_time() - started == pytest.approx(LIMITS.farewell_timeout)
    assert await ends.receive() == [{"status": "error", "reason": "no; ask", "what": "no", "advice": "ask"}]
    assert await ends.client.receive_some(1) == b""


async def test_a_refused_client_reads_whom_to_ask(ends: Ends, autojump_clock: trio.testing.MockClock) -> None:
    error = RegistrationRefused("not open to you", advice=f"ask {ADMINISTRATORS}")
    await ends.channel.refuse(error, "HPC (https://hpc.test)")
    [told] = await ends.receive()
    assert told["advice"] == "ask HPC (https://hpc.test)"
