"""The end of a visitor's connection: whatever a visitor was told before it arrives, and then the end."""

from __future__ import annotations

import contextlib
import socket
from pathlib import Path

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from conductor_trio.limits.server import ServerLimits
from tests.doubles.origin import OriginConnection, OriginHandler
from tests.support.engine import Application, Visitor, open_engine, request

SIZE = 3_000_000
SWITCHING = b"HTTP/1.1 101 X\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
UPGRADE = b"Connection: Upgrade\r\nUpgrade: websocket\r\n"


def switching(*, early: bytes = b"", last: bytes = b"") -> OriginHandler:
    """Return an application that changes the protocol, and after a byte says its last words and closes."""

    async def handle(connection: OriginConnection) -> None:
        await connection.receive_head()
        await connection.send_all(SWITCHING + early)
        if last:
            await connection.receive_exactly(1)
        await connection.send_all(last)

    return handle


async def send_for_ever(visitor: Visitor, piece: bytes = b"v" * 1000) -> None:
    with contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError):
        while True:
            await visitor.send(piece)
            await trio.sleep(0.0005)


@pytest.mark.parametrize("unix", [False, True])
async def test_last_words_in_a_tunnel_reach_a_visitor_that_is_sending(unix: bool, short_tmp: Path) -> None:
    async with (
        open_engine(short_tmp, switching(last=b"w" * SIZE)) as engine,
        trio.open_nursery() as nursery,
    ):
        visitor = engine.connect(unix=unix)
        await visitor.send(request(fields=UPGRADE))
        assert (await visitor.receive_response(upgrade=True)).status == 101
        nursery.start_soon(send_for_ever, visitor)
        await trio.sleep(0.2)  # a slow reader
        assert await visitor.receive_to_end() == b"w" * SIZE
        nursery.cancel_scope.cancel()


async def test_what_came_with_the_101_arrives_although_nobody_takes_what_the_visitor_sent(short_tmp: Path) -> None:
    async def handle(connection: OriginConnection) -> None:
        await connection.receive_head()
        connection.sock.shutdown(socket.SHUT_RD)
        await connection.send_all(SWITCHING + b"early")
        await connection.send_all(b"w" * SIZE)

    async with open_engine(short_tmp, handle) as engine:
        visitor = engine.connect()
        await visitor.send(request(fields=UPGRADE) + b"sent early, too")
        assert (await visitor.receive_response(upgrade=True)).status == 101
        assert await visitor.receive_to_end() == b"early" + b"w" * SIZE


async def test_a_session_s_end_leaves_a_tunnel_its_last_words(short_tmp: Path) -> None:
    async with open_engine(short_tmp, switching(last=b"w" * SIZE)) as engine:
        visitor = engine.connect()
        await visitor.send(request(fields=UPGRADE))
        assert (await visitor.receive_response(upgrade=True)).status == 101
        await visitor.send(b"!")
        await wait_all_tasks_blocked(0.05)
        engine.end_session()
        assert await visitor.receive_to_end() == b"w" * SIZE


async def test_the_tail_of_a_response_reaches_a_visitor_that_has_sent_more(short_tmp: Path) -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % SIZE + b"x" * SIZE
    async with open_engine(short_tmp, Application(answer)) as engine, trio.open_nursery() as nursery:
        visitor = engine.connect()
        await visitor.send(request(fields=b"Connection: close\r\n"))
        nursery.start_soon(send_for_ever, visitor, b"\r\n")
        await trio.sleep(0.2)
        response = await visitor.receive_response()
        assert response.body == b"x" * SIZE
        nursery.cancel_scope.cancel()


async def test_who_is_turned_away_while_sending_reads_why(short_tmp: Path) -> None:
    async with (
        open_engine(short_tmp, Application(), limits=ServerLimits(max_visitors=1)) as engine,
        trio.open_nursery() as nursery,
    ):
        engine.connect()
        await wait_all_tasks_blocked()
        visitor = engine.connect()
        nursery.start_soon(send_for_ever, visitor)
        await trio.sleep(0.1)
        assert (await visitor.receive_response()).status == 503
        nursery.cancel_scope.cancel()


async def test_when_the_grace_period_is_over_what_was_said_arrives(short_tmp: Path) -> None:
    words, is_said, never = b"w" * 300_000, trio.Event(), trio.Event()

    async def handle(connection: OriginConnection) -> None:
        await connection.receive_head()
        await connection.send_all(SWITCHING + words)
        is_said.set()
        await never.wait()  # and reads nothing

    async with open_engine(short_tmp, handle) as engine:
        visitor = engine.connect()
        await visitor.send(request(fields=UPGRADE))
        await is_said.wait()
        with trio.move_on_after(0.3):
            await send_for_ever(visitor, bytes(100_000))
        engine.nursery.cancel_scope.cancel()
        with trio.CancelScope(shield=True):
            assert (await visitor.receive_response(upgrade=True)).status == 101
            assert await visitor.receive_to_end() == words
