"""Connections to an application are kept for their own route, used again when clean, and retried where safe."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from conductor_trio.errors import UpstreamUnavailable
from conductor_trio.limits.server import ServerLimits
from conductor_trio.net.poller import EdgePoller
from conductor_trio.server.accounts.holdings import Holdings
from conductor_trio.server.proxy.upstream import PoolExpiry, UpstreamPool
from tests.doubles.origin import OriginConnection, open_origin
from tests.support.descriptors import no_descriptor_left
from tests.support.engine import (
    OK,
    Application,
    Engine,
    Response,
    open_engine,
    request,
)
from tests.support.sockets import full_backlog

LONG = 1e6  # patience with a clock that jumps


async def ask(engine: Engine, sent: bytes | None = None) -> Response:
    visitor = engine.connect()
    await visitor.send(request() if sent is None else sent)
    try:
        return await visitor.receive_response()
    finally:
        visitor.close()


# Keeping.


async def test_visitors_share_a_kept_connection(short_tmp: Path) -> None:
    application = Application()
    async with open_engine(short_tmp, application) as engine:
        for _ in range(5):
            assert (await ask(engine)).status == 200
        assert len(engine.origin.connections) == 1
    assert len(application.messages) == 5


@pytest.mark.parametrize(
    "answer",
    [
        OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"),
        OK.replace(b"HTTP/1.1", b"HTTP/1.0"),
        OK + b"surplus",
        b"HTTP/1.1 304 Not Modified\r\n\r\nsurplus",
        b"HTTP/1.1 204 No Content\r\nContent-Length: 7\r\n\r\nsurplus",
    ],
)
async def test_a_connection_in_doubt_is_not_kept(answer: bytes, short_tmp: Path) -> None:
    async with open_engine(short_tmp, Application(answer)) as engine:
        for count in (1, 2):
            assert (await ask(engine)).status < 400
            assert len(engine.origin.connections) == count


async def test_surplus_that_comes_later_is_nobodys_response(short_tmp: Path) -> None:
    async with open_engine(short_tmp, Application()) as engine:
        assert (await ask(engine)).body == b"ok"
        await engine.origin.connections[0].send_all(OK.replace(b"ok", b"no"))
        assert (await ask(engine)).body == b"ok"
        assert len(engine.origin.connections) == 2


@pytest.mark.parametrize(
    "sent",
    [
        request(b"POST / HTTP/1.1", b"Content-Length: 1\r\n", b"x"),
        request(b"POST / HTTP/1.1"),
        request(b"DELETE / HTTP/1.1"),
        request(fields=b"Content-Length: 1\r\n", body=b"x"),
        request(fields=b"Connection: upgrade\r\nUpgrade: websocket\r\n"),
    ],
)
async def test_what_cannot_be_repeated_goes_over_a_fresh_connection(sent: bytes, short_tmp: Path) -> None:
    async with open_engine(short_tmp, Application()) as engine:
        assert (await ask(engine)).status == 200
        assert (await ask(engine, sent)).status == 200
        assert len(engine.origin.connections) == 2


async def test_a_kept_connection_that_the_application_closed_is_not_used(short_tmp: Path) -> None:
    async def handle(connection: OriginConnection) -> None:
        await connection.receive_head()
        await connection.send_all(OK)

    async with open_engine(short_tmp, handle) as engine:
        for count in (1, 2, 3):
            assert (await ask(engine)).body == b"ok"
            assert len(engine.origin.connections) == count
            await wait_all_tasks_blocked()


async def test_one_that_closes_just_as_it_is_used_is_tried_again(short_tmp: Path) -> None:
    async def handle(connection: OriginConnection) -> None:
        is_first = engine.origin.connections[0] is connection
        await connection.receive_head()
        await connection.send_all(OK)
        if is_first:
            await connection.receive_head()  # and no word

    async with open_engine(short_tmp, handle) as engine:
        assert (await ask(engine)).body == b"ok"
        assert (await ask(engine)).body == b"ok"
        first, second = engine.origin.connections
        assert bytes(first.received).count(b"GET / ") == 2
        assert bytes(second.received).count(b"GET / ") == 1


async def test_one_that_answers_half_is_not_tried_again(short_tmp: Path) -> None:
    async def handle(connection: OriginConnection) -> None:
        await connection.receive_head()
        await connection.send_all(OK)
        await connection.receive_head()
        await connection.send_all(b"HTTP/1.1 200")

    async with open_engine(short_tmp, handle) as engine:
        assert (await ask(engine)).body == b"ok"
        assert (await ask(engine)).status == 502
        assert len(engine.origin.connections) == 1


async def test_a_fresh_one_that_closes_without_a_word_is_not_tried_again(short_tmp: Path) -> None:
    async def handle(connection: OriginConnection) -> None:
        await connection.receive_head()

    async with open_engine(short_tmp, handle) as engine:
        response = await ask(engine)
        assert response.status == 502
        assert b"application" in response.body
        assert engine.control.counters.broken == 1
        await wait_all_tasks_blocked()
        assert len(engine.origin.connections) == 1


async def test_kept_connections_are_limited_and_expire(short_tmp: Path, autojump_clock: MockClock) -> None:
    application = Application()
    limits = ServerLimits(max_idle_upstreams=3)
    async with open_engine(short_tmp, application, limits=limits, patience=LONG) as engine:
        visitors = [engine.connect() for _ in range(5)]
        for visitor in visitors:
            await visitor.send(request())
        for visitor in visitors:
            assert (await visitor.receive_response()).status == 200
        await engine.origin.wait_connections(5)
        await wait_all_tasks_blocked()
        ended = [connection.ended.is_set() for connection in engine.origin.connections]
        assert ended.count(True) == 2
        await trio.sleep(limits.upstream_idle_timeout + 0.1)
        assert all(connection.ended.is_set() for connection in engine.origin.connections)
        assert (await ask(engine)).status == 200
        assert len(engine.origin.connections) == 6


async def test_kept_connections_end_with_their_route(short_tmp: Path) -> None:
    async with (
        open_engine(short_tmp, Application()) as engine,
        open_origin(short_tmp / "b", Application()) as other,
    ):
        with engine.another_route("lab-bob.test", other.path, b"bobs"):
            visitor = engine.connect()
            await visitor.send(request(host=b"lab-bob.test", auth=b"Cookie: authorization=bobs\r\n"))
            assert (await visitor.receive_response()).status == 200
        with trio.fail_after(1):
            await other.connections[0].ended.wait()
        # The visitor's connection goes on, and finds the route gone.
        await visitor.send(request(host=b"lab-bob.test", auth=b"Cookie: authorization=bobs\r\n"))
        assert (await visitor.receive_response()).status == 410
        await visitor.send(request())
        assert (await visitor.receive_response()).status == 200
        assert not engine.origin.connections[0].ended.is_set()


def make_pool(path: str, limits: ServerLimits, expiry: PoolExpiry | None = None) -> UpstreamPool:
    return UpstreamPool(path, limits, expiry or PoolExpiry(limits), EdgePoller(), Holdings(limits), "alice")


async def test_a_pool_that_is_closed_opens_and_keeps_nothing(short_tmp: Path) -> None:
    async with open_origin(short_tmp / "app", Application()) as origin:
        pool = make_pool(origin.path, ServerLimits())
        stream = await pool.open()
        kept = await pool.open()
        pool.give_back(kept)
        pool.close()
        pool.give_back(stream)
        assert stream.fileno() == kept.fileno() == -1
        assert pool.take_idle() is None
        with pytest.raises(UpstreamUnavailable):
            await pool.open()


# Where there is no way to the application.


async def test_nobody_listens(short_tmp: Path) -> None:
    async with open_engine(short_tmp, Application()) as engine:
        os.unlink(engine.origin.path)
        visitor = engine.connect()
        for sent in (request(), request(b"POST / HTTP/1.1", b"Content-Length: 1\r\n", b"x")):
            await visitor.send(sent)
            response = await visitor.receive_response()
            assert response.status == 502
            assert b"relay socket" in response.body
            assert engine.origin.path.encode() not in response.body
        assert engine.control.counters.broken == 2


async def test_a_body_is_not_waited_for_where_nobody_listens(short_tmp: Path) -> None:
    async with open_engine(short_tmp, Application()) as engine:
        os.unlink(engine.origin.path)
        visitor = engine.connect()
        await visitor.send(request(b"POST / HTTP/1.1", b"Content-Length: 9\r\n", b"abc"))
        response = await visitor.receive_response()
        assert (response.status, response.values(b"connection")) == (502, [b"close"])


async def test_a_backlog_that_stays_full(short_tmp: Path, autojump_clock: MockClock) -> None:
    async with open_engine(short_tmp, Application(), patience=LONG) as engine:
        os.unlink(engine.origin.path)
        with full_backlog(engine.origin.path):
            start = trio.current_time()
            response = await ask(engine)
            assert response.status == 503
            assert response.values(b"retry-after")
            assert trio.current_time() - start == pytest.approx(engine.context.limits.connect_timeout, abs=0.5)
        os.unlink(engine.origin.path)


async def test_no_descriptor_left(short_tmp: Path) -> None:
    async with open_engine(short_tmp, Application()) as engine:
        visitor = engine.connect()
        await wait_all_tasks_blocked()
        with no_descriptor_left():
            await visitor.send(request())
            assert (await visitor.receive_response()).status == 503
        await visitor.send(request())
        assert (await visitor.receive_response()).status == 200


async def test_one_application_that_hangs_holds_up_nobody_else(short_tmp: Path) -> None:
    async def hang(connection: OriginConnection) -> None:
        await trio.sleep_forever()

    async with open_engine(short_tmp, Application()) as engine, open_origin(short_tmp / "b", hang) as other:
        with engine.another_route("lab-bob.test", other.path, b"bobs"):
            stuck = [engine.connect() for _ in range(20)]
            for visitor in stuck:
                await visitor.send(request(host=b"lab-bob.test", auth=b"Cookie: authorization=bobs\r\n"))
            with trio.fail_after(2):
                assert (await ask(engine)).status == 200
            await other.wait_connections(20)
        for visitor in stuck:
            assert (await visitor.receive_response()).status in (502, 503)


async def test_each_pool_expires_in_its_own_time(short_tmp: Path, autojump_clock: MockClock) -> None:
    limits = ServerLimits()
    expiry = PoolExpiry(limits)

    async with open_origin(short_tmp / "app", Application()) as origin, trio.open_nursery() as nursery:
        nursery.start_soon(expiry.run)
        pools = [make_pool(origin.path, limits, expiry) for _ in range(3)]
        streams = [await pool.open() for pool in pools for _ in range(2)]
        for number, stream in enumerate(streams):  # a second apart: pools 0, 0, 1, 1, 2, 2
            pools[number // 2].give_back(stream)
            await trio.sleep(1)
        start = trio.current_time() - len(streams)
        for number, stream in enumerate(streams):
            due = start + number + limits.upstream_idle_timeout
            await trio.sleep_until(max(trio.current_time(), due + 0.1))
            assert stream.fileno() == -1
            assert all(later.fileno() != -1 for later in streams[number + 3 :])
        # One that is kept once more is looked at once more.
        again = await pools[0].open()
        pools[0].give_back(again)
        await trio.sleep(limits.upstream_idle_timeout + 0.1)
        assert again.fileno() == -1
        nursery.cancel_scope.cancel()
