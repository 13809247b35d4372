"""The channel between two servers: lines in time, descriptors with them, and its end."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import AsyncIterator

import pytest
import trio
import trio.testing

from conductor_trio.errors import RemoteProtocolError
from conductor_trio.limits.server import ServerLimits
from conductor_trio.server.lifecycle.handover_channel import HandoverChannel, HandoverEnded

LIMITS = ServerLimits()
Ends = tuple[HandoverChannel, HandoverChannel]


@pytest.fixture
async def ends() -> AsyncIterator[Ends]:
    one, other = (HandoverChannel(sock, LIMITS) for sock in socket.socketpair())
    with contextlib.closing(one), contextlib.closing(other):
        yield one, other


async def test_lines_and_descriptors_arrive(ends: Ends) -> None:
    one, other = ends
    reading, writing = os.pipe()
    try:
        await one.send(b"a line\n", [reading])
    finally:
        os.close(reading)
        os.close(writing)
    await one.say(ready=True)
    assert await other.receive_line() == b"a line"
    assert len(other.descriptors) == 1
    await other.hear("ready")
    await one.say(taken=True)
    with pytest.raises(RemoteProtocolError, match="ready was expected"):
        await other.hear("ready")


async def test_a_line_has_its_time_unless_it_may_take_however_long(
    ends: Ends, autojump_clock: trio.testing.MockClock
) -> None:
    one, other = ends
    with pytest.raises(trio.TooSlowError):
        await other.receive_line()
    with trio.move_on_after(10 * LIMITS.handover_timeout) as scope:
        await other.next_line()
    assert scope.cancelled_caught
    await one.say(ready=True)
    assert await other.next_line() == b'{"ready": true}'


async def test_its_end_is_told(ends: Ends) -> None:
    one, other = ends
    one.close()
    with pytest.raises(HandoverEnded):
        await other.next_line()
    await other.wait_closed()
