"""One exchange: bodies stream both ways, what is cut looks cut, aborts pass on, and nothing is lost between."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from conductor_trio.config import Limits
from tests.doubles.origin import OriginConnection
from tests.engine import OK, Application, Truncated, open_engine, request

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


async def test_bytes_that_come_as_patience_ends_are_not_lost(short_tmp: Path, mock_clock: MockClock) -> None:
    body = bytes(range(256)) * 200
    answer_now = trio.Event()

    async def handle(connection: OriginConnection) -> None:
        await connection.receive_head()
        await answer_now.wait()
        # Both become known to the scheduler in the same round: the answer, and that the time is over.
        connection.stream._sock.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
        mock_clock.jump(0.05)

    async with open_engine(short_tmp, handle, limits=Limits(watch_delay=0.05)) as engine:
        visitor = engine.connect(unix=True, send_buffer=4096)
        await visitor.send(request())
        await engine.origin.wait_connections()
        await wait_all_tasks_blocked()
        answer_now.set()
        await wait_all_tasks_blocked()
        mock_clock.autojump_threshold = 0
        assert (await visitor.receive_response()).body == body


async def test_a_connection_on_which_a_body_stopped_half_way_is_not_used_again(short_tmp: Path) -> None:
    answer_now = trio.Event()

    async def handle(connection: OriginConnection) -> None:
        await connection.receive_head()
        if engine.origin.connections[0] is connection:
            await answer_now.wait()
        await connection.send_all(OK)
        await connection.receive_to_end()

    async with open_engine(short_tmp, handle, limits=Limits(read_size=1 << 20)) as engine:
        visitor = engine.connect_memory()
        await visitor.send(request(b"POST / HTTP/1.1", b"Content-Length: 600000\r\n"))
        await engine.origin.wait_connections()
        await wait_all_tasks_blocked()
        await visitor.send(bytes(600000))  # more than the kernel takes at once
        await wait_all_tasks_blocked()
        answer_now.set()
        assert (await visitor.receive_response()).body == b"ok"
        another = engine.connect()
        await another.send(request(b"GET /second HTTP/1.1"))
        assert (await another.receive_response()).body == b"ok"
        first, second = engine.origin.connections
        assert b"/second" not in first.received
        assert second.received.startswith(b"GET /second ")


async def test_what_a_kept_connection_did_not_take_is_sent_on_a_fresh_one(short_tmp: Path) -> None:
    close_now = trio.Event()

    async def handle(connection: OriginConnection) -> None:
        await connection.receive_head()
        await connection.send_all(OK)
        if engine.origin.connections[0] is connection:
            connection.stream._sock.shutdown(socket.SHUT_RD)  # sending to it fails, and it has not ended
            await close_now.wait()

    async with open_engine(short_tmp, handle) as engine:
        visitor = engine.connect()
        await visitor.send(request())
        assert (await visitor.receive_response()).body == b"ok"
        await wait_all_tasks_blocked()
        await visitor.send(request())
        await wait_all_tasks_blocked()
        close_now.set()
        assert (await visitor.receive_response()).body == b"ok"
        assert len(engine.origin.connections) == 2
