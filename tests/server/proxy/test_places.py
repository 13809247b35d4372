"""No address keeps others out, whatever its connections do; idle ones give way, and what is over is told."""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from conductor_trio.limits.server import ServerLimits
from conductor_trio.net.stream import SocketStream
from conductor_trio.server.accounts.counters import Counters
from tests.doubles.origin import OriginConnection
from tests.support.engine import Application, Engine, Visitor, open_engine, request

ALICE, BOB, CAROL = "127.0.0.2", "127.0.0.3", "127.0.0.4"
LIMITS = ServerLimits(max_visitors=8, max_address_visitors=4)
UPGRADE = b"Connection: upgrade\r\nUpgrade: websocket\r\n"
SWITCHED = b"HTTP/1.1 101 Switching Protocols\r\n" + UPGRADE + b"\r\n"


def visit(
    engine: Engine, address: str, *, tls: ssl.SSLContext | None = None, receive_buffer: int | None = None
) -> Visitor:
    """Return a connection from one of loopback's addresses."""
    ours = socket.socket()
    if receive_buffer is not None:
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    ours.bind((address, 0))
    ours.connect(engine.listener.getsockname())
    theirs, address = engine.listener.accept()
    engine.nursery.start_soon(engine.serve_visitor, theirs, address[0], tls)
    visitor = Visitor(SocketStream(ours), ours)
    engine.visitors.append(visitor)
    return visitor


async def status_of(visitor: Visitor) -> int:
    await visitor.send(request())
    return (await visitor.receive_response()).status


async def stall(connection: OriginConnection) -> None:
    """Answer nothing; a request for a tunnel gets one."""
    head = await connection.receive_head()
    if b"websocket" in head:
        await connection.send_all(SWITCHED)
    await trio.sleep_forever()


async def do_nothing(visitor: Visitor) -> None:
    """Say nothing."""


async def begin_head(visitor: Visitor) -> None:
    await visitor.send(b"GET / HT")


async def ask(visitor: Visitor) -> None:
    await visitor.send(request())


async def tunnel(visitor: Visitor) -> None:
    await visitor.send(request(fields=UPGRADE))


async def upload(visitor: Visitor) -> None:
    await visitor.send(request(b"POST / HTTP/1.1", b"Content-Length: 100\r\n", b"some"))


@pytest.mark.parametrize("what", [begin_head, ask, tunnel, upload])
async def test_whatever_connections_do_an_address_has_a_part_of_all(short_tmp: Path, what: object) -> None:
    async with open_engine(short_tmp, stall, limits=LIMITS) as engine:
        for _ in range(LIMITS.max_address_visitors):
            assert callable(what)
            await what(visit(engine, ALICE))
        await wait_all_tasks_blocked(0.02)
        refused = visit(engine, ALICE)
        answer = await refused.receive_response()
        assert answer.status == 429 and answer.values(b"retry-after") and b"from your address" in answer.raw
        assert await status_of_page(visit(engine, BOB)) == 200
        assert engine.context.counters.limited == 1
        engine.end_session()


async def status_of_page(visitor: Visitor) -> int:
    """Return what a page of the gateway's own, which needs no application, is answered with."""
    await visitor.send(b"GET /_conductor/status HTTP/1.1\r\nHost: x\r\n\r\n")
    return (await visitor.receive_response()).status


async def test_handshakes_that_do_not_end_have_places(short_tmp: Path) -> None:
    async with open_engine(short_tmp, Application(), limits=LIMITS) as engine:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        for _ in range(LIMITS.max_address_visitors):
            visit(engine, ALICE, tls=tls)
        await wait_all_tasks_blocked()
        assert engine.context.places.count_of(ALICE) == LIMITS.max_address_visitors
        refused = visit(engine, ALICE, tls=tls)
        await refused.wait_closed()
        assert await status_of(visit(engine, BOB)) == 200


async def test_connections_that_linger_at_their_end_have_places(short_tmp: Path) -> None:
    answer = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 3000000\r\n\r\n" + bytes(3_000_000)
    async with open_engine(short_tmp, Application(answer), limits=LIMITS) as engine:
        # Who takes no more than a little, so that the rest stays under way.
        visitors = [visit(engine, ALICE, receive_buffer=4096) for _ in range(LIMITS.max_address_visitors)]
        for visitor in visitors:
            await visitor.send(request())
        await wait_all_tasks_blocked(0.05)
        assert engine.context.places.count_of(ALICE) == LIMITS.max_address_visitors
        assert (await visit(engine, ALICE).receive_response()).status == 429
        for visitor in visitors:
            visitor.reset()


async def test_an_address_has_idle_connections_closed_for_its_own_next_ones(short_tmp: Path) -> None:
    async with open_engine(short_tmp, Application(), limits=LIMITS) as engine:
        visitors = [visit(engine, ALICE) for _ in range(LIMITS.max_address_visitors)]
        for visitor in visitors:
            assert await status_of(visitor) == 200
        assert await status_of(visit(engine, ALICE)) == 200
        await visitors[0].wait_closed()  # the one that was idle for longest
        for visitor in visitors[1:]:
            assert await status_of(visitor) == 200
        assert engine.context.places.leaving == 0
        assert engine.context.counters.limited == 0


async def test_where_all_is_full_the_greediest_s_idle_connections_make_room_for_others(short_tmp: Path) -> None:
    async with open_engine(short_tmp, Application(), limits=LIMITS) as engine:
        greedy = [visit(engine, ALICE) for _ in range(4)]
        others = [visit(engine, BOB) for _ in range(3)]
        others.append(visit(engine, CAROL))
        for visitor in (*others, *greedy):
            assert await status_of(visitor) == 200
        assert await status_of(visit(engine, "127.0.0.5")) == 200
        await greedy[0].wait_closed()
        for visitor in (*others, *greedy[1:]):
            assert await status_of(visitor) == 200


async def test_where_all_is_full_whoever_is_as_greedy_is_turned_away(short_tmp: Path) -> None:
    limits = ServerLimits(max_visitors=4, max_address_visitors=4)
    async with open_engine(short_tmp, Application(), limits=limits) as engine:
        visitors = [visit(engine, address) for address in (ALICE, ALICE, BOB, BOB)]
        for visitor in visitors:
            assert await status_of(visitor) == 200
        assert (await visit(engine, ALICE).receive_response()).status == 503
        for visitor in visitors:
            assert await status_of(visitor) == 200


async def test_of_those_who_are_turned_away_at_once_most_are_told_nothing(short_tmp: Path) -> None:
    limits = ServerLimits(max_visitors=1, max_turned_away=3)
    async with open_engine(short_tmp, Application(), limits=limits) as engine:
        visit(engine, ALICE)
        await wait_all_tasks_blocked()
        crowd = [visit(engine, ALICE) for _ in range(10)]
        told = 0
        for visitor in crowd:
            with contextlib.suppress(trio.BrokenResourceError):
                told += b" 503 " in await visitor.receive_to_end()
        assert 1 <= told <= 3
        assert engine.context.counters.limited == 10


async def test_those_who_are_turned_away_are_counted(short_tmp: Path) -> None:
    async with open_engine(short_tmp, Application(), limits=ServerLimits(max_visitors=1)) as engine:
        visit(engine, ALICE)
        await wait_all_tasks_blocked()
        for _ in range(3):
            assert (await visit(engine, ALICE).receive_response()).status == 503
        assert engine.context.counters == Counters(broken=3, limited=3)


@contextlib.contextmanager
def connections(engine: Engine, count: int) -> Iterator[list[Visitor]]:
    """Give so many connections of a front proxy's."""
    yield [engine.connect(unix=True) for _ in range(count)]


def forwarded(address: str, fields: bytes = b"") -> bytes:
    return request(fields=b"X-Forwarded-For: " + address.encode() + b"\r\n" + fields)


@pytest.mark.parametrize("fields", [b"", UPGRADE])
async def test_behind_a_front_proxy_the_address_counts_that_it_tells(short_tmp: Path, fields: bytes) -> None:
    limits = ServerLimits(max_address_visitors=2)
    async with open_engine(short_tmp, stall, limits=limits) as engine:
        with connections(engine, 5) as [one, two, three, four, five]:
            for visitor in (one, two):
                await visitor.send(forwarded("192.0.2.1", fields))
            await engine.origin.wait_connections(2)
            await wait_all_tasks_blocked()
            await three.send(forwarded("192.0.2.1", fields))
            assert (await three.receive_response()).status == 429
            await four.send(forwarded("192.0.2.2", fields))
            await engine.origin.wait_connections(3)
            assert engine.context.places.count_of("192.0.2.1") == 2
            one.reset()
            with trio.fail_after(5):
                while engine.context.places.count_of("192.0.2.1") > 1:  # noqa: ASYNC110
                    await trio.sleep(0.01)
            await three.send(forwarded("192.0.2.1", fields))  # the connection was kept
            await engine.origin.wait_connections(4)
            await five.send(request())  # who says nothing of whom it stands for
            await engine.origin.wait_connections(5)
        engine.end_session()


async def test_a_front_proxy_has_as_many_as_there_are(short_tmp: Path) -> None:
    limits = ServerLimits(max_visitors=6, max_address_visitors=2)
    async with open_engine(short_tmp, Application(), limits=limits) as engine:
        for number in range(6):
            visitor = engine.connect(unix=True)
            await visitor.send(forwarded(f"192.0.2.{number}"))
            assert (await visitor.receive_response()).status == 200
        assert engine.context.places.count_of("192.0.2.1") == 0  # between requests nobody is there
