"""The end of a visitor's connection: whatever a visitor was told before it arrives, and then the end."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from conductor_trio.limits.server import ServerLimits
from tests.doubles.origin import OriginConnection, OriginHandler
from tests.support.engine import Application, Engine, Visitor, open_engine, request
from tests.support.tls_visitor import Authority

Connect = Callable[[Engine], Visitor]

SIZE = 3_000_000
SWITCHING = b"HTTP/1.1 101 X\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
UPGRADE = b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
WAYS = ("tcp", "unix", "tls")


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture
def connect(request: pytest.FixtureRequest, authority: Authority) -> Connect:
    """Give what makes a visitor's connection, in the way that the test is parametrized with."""
    way = request.param
    return lambda engine: engine.connect(unix=way == "unix", authority=authority if way == "tls" else None)


in_each_way = pytest.mark.parametrize("connect", WAYS, indirect=True)


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


@in_each_way
async def test_last_words_in_a_tunnel_reach_a_visitor_that_is_sending(connect: Connect, short_tmp: Path) -> None:
    async with (
        open_engine(short_tmp, switching(last=b"w" * SIZE)) as engine,
        trio.open_nursery() as nursery,
    ):
        visitor = connect(engine)
        await visitor.send(request(fields=UPGRADE))
        assert (await visitor.receive_response(upgrade=True)).status == 101
        nursery.start_soon(send_for_ever, visitor)
        await trio.sleep(0.2)  # a slow reader
        assert await visitor.receive_to_end() == b"w" * SIZE
        nursery.cancel_scope.cancel()


@in_each_way
async def test_what_came_with_the_101_arrives_although_nobody_takes_what_the_visitor_sent(
    connect: Connect, short_tmp: Path
) -> None:
    async def handle(connection: OriginConnection) -> None:
        await connection.receive_head()
        connection.sock.shutdown(socket.SHUT_RD)
        await connection.send_all(SWITCHING + b"early")
        await connection.send_all(b"w" * SIZE)

    async with open_engine(short_tmp, handle) as engine:
        visitor = connect(engine)
        await visitor.send(request(fields=UPGRADE) + b"sent early, too")
        assert (await visitor.receive_response(upgrade=True)).status == 101
        assert await visitor.receive_to_end() == b"early" + b"w" * SIZE


@in_each_way
async def test_a_session_s_end_leaves_a_tunnel_its_last_words(connect: Connect, short_tmp: Path) -> None:
    async with open_engine(short_tmp, switching(last=b"w" * SIZE)) as engine:
        visitor = connect(engine)
        await visitor.send(request(fields=UPGRADE))
        assert (await visitor.receive_response(upgrade=True)).status == 101
        await visitor.send(b"!")
        await wait_all_tasks_blocked(0.05)
        engine.end_session()
        assert await visitor.receive_to_end() == b"w" * SIZE


@in_each_way
async def test_the_tail_of_a_response_reaches_a_visitor_that_has_sent_more(
    connect: Connect, short_tmp: Path
) -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % SIZE + b"x" * SIZE
    async with open_engine(short_tmp, Application(answer)) as engine, trio.open_nursery() as nursery:
        visitor = connect(engine)
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


async def end(engine: Engine) -> None:
    """End what runs as the server does when its time is over."""
    await engine.context.finish()
    engine.nursery.cancel_scope.cancel()


@in_each_way
async def test_when_the_grace_period_is_over_a_response_that_has_come_is_whole(
    connect: Connect, short_tmp: Path
) -> None:
    is_said = trio.Event()

    async def handle(connection: OriginConnection) -> None:
        await connection.receive_head()
        await connection.send_all(b"HTTP/1.0 200 OK\r\n\r\n")
        is_said.set()
        await connection.send_all(b"x" * SIZE)

    async with open_engine(short_tmp, handle) as engine:
        visitor = connect(engine)
        await visitor.send(request())
        await is_said.wait()
        await trio.sleep(0.2)  # a slow reader
        with trio.CancelScope(shield=True):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(end, engine)
                assert (await visitor.receive_response()).body == b"x" * SIZE


@in_each_way
async def test_when_the_grace_period_is_over_what_was_said_arrives(connect: Connect, short_tmp: Path) -> None:
    words, is_said, never = b"w" * 300_000, trio.Event(), trio.Event()

    async def handle(connection: OriginConnection) -> None:
        await connection.receive_head()
        await connection.send_all(SWITCHING + words)
        is_said.set()
        await never.wait()  # and reads nothing

    async with open_engine(short_tmp, handle) as engine:
        visitor = connect(engine)
        await visitor.send(request(fields=UPGRADE))
        await is_said.wait()
        with trio.move_on_after(0.3):
            await send_for_ever(visitor, bytes(100_000))
        with trio.CancelScope(shield=True):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(end, engine)
                assert (await visitor.receive_response(upgrade=True)).status == 101
                assert await visitor.receive_to_end() == words


@in_each_way
async def test_a_visitor_may_end_its_direction_first(connect: Connect, short_tmp: Path) -> None:
    heard = bytearray()

    async def handle(connection: OriginConnection) -> None:
        await connection.receive_head()
        await connection.send_all(SWITCHING)
        while await connection.receive_more():
            pass
        heard.extend(connection.unread)
        await connection.send_all(b"w" * SIZE)

    async with open_engine(short_tmp, handle) as engine:
        visitor = connect(engine)
        await visitor.send(request(fields=UPGRADE))
        assert (await visitor.receive_response(upgrade=True)).status == 101
        await visitor.send(b"v" * SIZE)
        await visitor.send_eof()
        await trio.sleep(0.2)  # a slow reader
        assert await visitor.receive_to_end() == b"w" * SIZE
    assert heard == b"v" * SIZE


@in_each_way
async def test_an_application_may_end_its_direction_first(connect: Connect, short_tmp: Path) -> None:
    heard = bytearray()
    has_heard = trio.Event()

    async def handle(connection: OriginConnection) -> None:
        await connection.receive_head()
        await connection.send_all(SWITCHING + b"w" * SIZE)
        connection.sock.shutdown(socket.SHUT_WR)
        while await connection.receive_more():
            pass
        heard.extend(connection.unread)
        has_heard.set()

    async with open_engine(short_tmp, handle) as engine:
        visitor = connect(engine)
        await visitor.send(request(fields=UPGRADE))
        assert (await visitor.receive_response(upgrade=True)).status == 101
        assert await visitor.receive_to_end() == b"w" * SIZE
        await trio.sleep(0.2)
        await visitor.send(b"v" * SIZE)
        visitor.close()
        await has_heard.wait()
    assert heard == b"v" * SIZE


@in_each_way
@pytest.mark.parametrize("body", [b"", b"b" * SIZE])
async def test_whoever_has_said_all_gets_the_answer_to_it(connect: Connect, body: bytes, short_tmp: Path) -> None:
    async def handle(connection: OriginConnection) -> None:
        await connection.receive_head()
        await connection.receive_exactly(len(body))
        await trio.sleep(2 * engine.context.limits.watch_delay + 0.1)  # by then it is listened for a disconnect
        await connection.send_all(b"HTTP/1.0 200 OK\r\n\r\n" + b"x" * SIZE)

    async with open_engine(short_tmp, handle) as engine:
        visitor = connect(engine)
        length = b"Content-Length: %d\r\n" % len(body)
        await visitor.send(request(b"POST / HTTP/1.1", fields=length, body=body))
        await visitor.send_eof()
        response = await visitor.receive_response(b"POST")
        assert (response.status, response.body) == (200, b"x" * SIZE)
        await visitor.wait_closed()
