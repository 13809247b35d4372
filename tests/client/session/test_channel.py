"""The client's end of a control channel: deadlines, and what is waited for with a server that knows less."""

from __future__ import annotations

import contextlib
import json

import pytest
import trio
import trio.testing

from conductor_trio.access.tokens import hash_token
from conductor_trio.client.session.channel import ControlChannel
from conductor_trio.client.transport.base import LinkSilent, ServerAway
from conductor_trio.control.events import Move, Ping, Pong, Ready, Stop
from conductor_trio.control.messages import EXTENSIONS, OWNER_COMMANDS, RELAY, RESUME, STARTING, Registration
from conductor_trio.control.owner_commands import ListSessions
from conductor_trio.errors import LocalProtocolError, RegistrationRefused, RemoteProtocolError, TransportError
from conductor_trio.limits.client import ClientLimits
from tests.doubles.streams import MemoryStream, memory_stream_pair

LIMITS = ClientLimits()
DIGEST = hash_token(b"t")


async def open_channel(*extensions: str) -> tuple[ControlChannel, MemoryStream]:
    """Return a channel that was greeted, and the server's end."""
    ours, theirs = memory_stream_pair()
    channel = ControlChannel(ours, LIMITS)
    greeting = {"directory": "/d", "status": "ok", "extensions": list(extensions)}
    await theirs.send_all(json.dumps(greeting).encode() + b"\n")
    await channel.receive_banner()
    return channel, theirs


async def register(*extensions: str) -> tuple[ControlChannel, MemoryStream]:
    """Return a channel that is registered with these extensions, and the server's end."""
    channel, theirs = await open_channel(*extensions)
    await theirs.send_all(b'{"status": "ok", "urls": ["a"]}\n')
    await channel.register(Registration(auth=DIGEST, key=None, extensions=frozenset(extensions)))
    await theirs.receive_some(65536)
    return channel, theirs


async def test_events_come_in_any_order() -> None:
    channel, theirs = await register(*EXTENSIONS)
    await theirs.send_all(
        b'{"event": "stop"}\n{"event": "later"}\n{"event": "ping", "idle": 3, "visitors": 1}\n{"event": "move"}\n'
    )
    assert await channel.next_event() == Stop()
    assert await channel.next_event() == Ping(idle=3.0, visitors=1)
    await channel.send_event(Pong(ends=1.8e9))
    assert await theirs.receive_some(4096) == b'{"event": "pong", "ends": 1800000000.0}\n'
    assert await channel.next_event() == Move()
    await theirs.send_eof()
    assert await channel.next_event() is None
    await channel.send_event(Ready())  # into the void


async def test_a_server_that_pings_may_not_be_silent(autojump_clock: trio.testing.MockClock) -> None:
    channel, theirs = await register(RESUME)
    with trio.move_on_after(7 * 24 * 3600) as weeks:
        await channel.next_event()
    assert weeks.cancelled_caught
    await theirs.send_all(b'{"event": "ping"}\n')
    assert await channel.next_event() == Ping()
    started = trio.current_time()
    with pytest.raises(LinkSilent, match="28 s"):
        await channel.next_event()
    assert trio.current_time() - started == pytest.approx(LIMITS.ping_timeout)


async def test_without_resume_no_event_comes() -> None:
    channel, theirs = await register(OWNER_COMMANDS, STARTING)
    await theirs.send_all(b'{"event": "stop"}\n' + b"x" * 100_000)
    await channel.send_event(Ready())
    assert await theirs.receive_some(4096) == b'{"event": "ready"}\n'
    await theirs.send_eof()
    assert await channel.next_event() is None


async def test_a_former_channel_answers_pings_to_its_end() -> None:
    channel, theirs = await register(RESUME)
    await theirs.send_all(b'{"event": "ping", "idle": 9, "visitors": 0}\n{"event": "replaced"}\n')
    await theirs.send_eof()
    await channel.wait_end()
    assert await theirs.receive_some(4096) == b'{"event": "pong"}\n'


@pytest.mark.parametrize("extensions", [(), (STARTING,)])
async def test_a_server_that_knows_no_leave_is_told_of_none(extensions: tuple[str, ...]) -> None:
    channel, theirs = await register(*extensions)
    await channel.leave()
    with trio.move_on_after(0):
        assert not await theirs.receive_some(4096)


async def test_leaving_waits_for_the_server_to_take_notice(autojump_clock: trio.testing.MockClock) -> None:
    channel, theirs = await register(RESUME)
    started = trio.current_time()
    with trio.CancelScope() as scope:
        scope.cancel()
        await channel.leave()
    assert trio.current_time() - started == pytest.approx(LIMITS.leave_timeout)
    assert await theirs.receive_some(4096) == b'{"event": "leave"}\n'


@pytest.mark.parametrize(("word", "is_open"), [("open", True), ("closed", False)])
async def test_a_server_that_looks_at_the_relay_socket_is_asked(word: str, is_open: bool) -> None:
    channel, theirs = await open_channel(RELAY)
    await theirs.send_all(f'{{"status": "ok", "relay": "{word}"}}\n{{"status": "ok", "urls": []}}\n'.encode())
    assert await channel.finds_relay_open() is is_open
    assert await theirs.receive_some(4096) == b'{"relay": "inspect"}\n'
    await channel.register(Registration(auth=DIGEST, key=None))


async def test_another_server_is_not_asked_about_the_relay_socket() -> None:
    channel, theirs = await open_channel()
    assert not await channel.finds_relay_open()
    with trio.move_on_after(0):
        assert not await theirs.receive_some(4096)


async def test_a_command_is_answered_or_refused() -> None:
    channel, theirs = await open_channel(OWNER_COMMANDS)
    await theirs.send_all(b'{"status": "ok", "sessions": []}\n{"status": "error", "reason": "no"}\n')
    assert (await channel.command(ListSessions())).fields == {"status": "ok", "sessions": []}
    with pytest.raises(RegistrationRefused, match="no"):
        await channel.command(ListSessions())


async def test_a_channel_is_for_commands_or_for_a_registration() -> None:
    channel, theirs = await open_channel(OWNER_COMMANDS)
    await theirs.send_all(b'{"status": "ok"}\n')
    await channel.command(ListSessions())
    with pytest.raises(LocalProtocolError):
        await channel.register(Registration(auth=DIGEST, key=None))


async def test_a_server_that_does_not_answer_is_silent(autojump_clock: trio.testing.MockClock) -> None:
    channel, _ = await open_channel()
    started = trio.current_time()
    with pytest.raises(LinkSilent, match="never answers the registration"):
        await channel.register(Registration(auth=DIGEST, key=None))
    assert trio.current_time() - started == pytest.approx(LIMITS.control_timeout)


async def test_a_server_that_has_closed_is_away() -> None:
    channel, theirs = await open_channel()
    theirs.close()
    with pytest.raises(ServerAway):
        await channel.register(Registration(auth=DIGEST, key=None))


@pytest.mark.parametrize("is_closed", [False, True])
async def test_whether_it_closes_soon(is_closed: bool, autojump_clock: trio.testing.MockClock) -> None:
    channel, theirs = await open_channel()
    if is_closed:
        await theirs.send_eof()
    assert await channel.closes_soon() is is_closed


async def test_a_line_that_is_too_long_breaks_the_protocol() -> None:
    channel, theirs = await register(RESUME)
    await theirs.send_all(b"x" * 70_000)
    with pytest.raises(RemoteProtocolError, match="longer than 65536 bytes"):
        await channel.next_event()
    assert await channel.next_event() is None


@pytest.mark.parametrize(
    ("answer", "error", "says"),
    [
        (b'{"status": "ok", "urls": ["a"]}\n', None, ""),
        (b'{"status": "error", "reason": "taken"}\n', RegistrationRefused, "taken"),
        (b"no json\n", RemoteProtocolError, "JSON"),
        (b'{"status": "ok"}\n', RemoteProtocolError, "host names"),
        (b"x" * 65536, RemoteProtocolError, "longer"),
        (b'{"status": "ok"', TransportError, "closed"),
        (b"", TransportError, "closed"),
    ],
)
async def test_answers_to_a_registration(answer: bytes, error: type[Exception] | None, says: str) -> None:
    ours, theirs = memory_stream_pair()
    channel = ControlChannel(ours, LIMITS)
    await theirs.send_all(b'{"directory": "/d", "status": "ok"}\n' + answer)
    await theirs.send_eof()
    assert (await channel.receive_banner()).directory == "/d"
    with contextlib.ExitStack() as stack:
        if error is not None:
            stack.enter_context(pytest.raises(error, match=says))
        accepted = await channel.register(Registration(auth=hash_token(b"t"), key=None))
        assert accepted.urls == ("a",)
        await channel.wait_closed()


@pytest.mark.parametrize("greeting", [b"", b'{"directory": "/d", "sta'])
async def test_a_server_that_says_nothing_is_given_up(
    greeting: bytes, autojump_clock: trio.testing.MockClock
) -> None:
    ours, theirs = memory_stream_pair()
    await theirs.send_all(greeting)
    started = trio.current_time()
    with pytest.raises(TransportError, match="never greets"):
        await ControlChannel(ours, LIMITS).receive_banner()
    assert trio.current_time() - started == pytest.approx(LIMITS.control_timeout)
