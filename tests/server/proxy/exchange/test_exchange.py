"""One exchange: bodies stream both ways, what is cut looks cut, aborts pass on, and nothing is lost between."""

from __future__ import annotations

import gc
import socket
from pathlib import Path

import attrs
import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from conductor_trio.limits.server import ServerLimits
from conductor_trio.server.proxy.exchange.exchange import Exchange
from tests.doubles.origin import OriginConnection
from tests.support.engine import (
    IMPATIENT,
    OK,
    Application,
    Truncated,
    open_engine,
    request,
)

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


async def test_bytes_that_come_as_patience_ends_are_not_lost(short_tmp: Path, mock_clock: MockClock) -> None:
    body = bytes(range(256)) * 200
    answer_now = trio.Event()

    async def handle(connection: OriginConnection) -> None:
        await connection.receive_head()
        await answer_now.wait()
        # Both become known to the scheduler in the same round: the answer, and that the time is over.
        connection.sock.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
        mock_clock.jump(0.05)

    async with open_engine(short_tmp, handle, limits=ServerLimits(watch_delay=0.05)) as engine:
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

    async with open_engine(short_tmp, handle, limits=ServerLimits(read_size=4 << 20)) as engine:
        visitor = engine.connect_memory()
        await visitor.send(request(b"POST / HTTP/1.1", b"Content-Length: 4000000\r\n"))
        await engine.origin.wait_connections()
        await wait_all_tasks_blocked()
        await visitor.send(bytes(4000000))  # more than the kernel takes at once
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
            connection.sock.shutdown(socket.SHUT_RD)  # sending to it fails, and it has not ended
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


# Streams.


@pytest.mark.skipif(not hasattr(gc, "freeze"), reason="PyPy's collector is another")
async def test_one_that_is_cut_leaves_nothing_for_the_collector(short_tmp: Path) -> None:
    async def cut(connection: OriginConnection) -> None:
        await connection.receive_head()
        await connection.send_all(CHUNKED + b"3\r\nabc\r\n")
        connection.stream.close()

    async with open_engine(short_tmp, cut) as engine:
        gc.collect()
        gc.disable()
        try:
            visitor = engine.connect()
            await visitor.send(request(b"POST / HTTP/1.1", b"Content-Length: 100\r\n", b"a part"))
            with pytest.raises(Truncated):
                await visitor.receive_response(b"POST")
            await wait_all_tasks_blocked()
            assert not [one for one in gc.get_objects() if isinstance(one, Exchange)]
        finally:
            gc.enable()


async def test_a_response_shows_piece_by_piece(short_tmp: Path) -> None:
    seen = [trio.Event() for _ in range(3)]

    async def handle(connection: OriginConnection) -> None:
        await connection.receive_head()
        await connection.send_all(CHUNKED)
        for number, event in enumerate(seen):
            await connection.send_all(b"6\r\ntick %d\r\n" % number)
            await event.wait()
        await connection.send_all(b"0\r\n\r\n")

    async with open_engine(short_tmp, handle) as engine:
        visitor = engine.connect()
        await visitor.send(request())
        for number, event in enumerate(seen):
            assert (await visitor.receive_until(b"tick %d" % number)).endswith(b"tick %d" % number)
            event.set()
        assert (await visitor.receive_until(b"0\r\n\r\n")).endswith(b"0\r\n\r\n")


@pytest.mark.parametrize("length", [True, False], ids=["length", "chunked"])
async def test_bodies_stream_in_both_directions_at_once(length: bool, short_tmp: Path) -> None:
    async def handle(connection: OriginConnection) -> None:
        await connection.receive_head()
        await connection.send_all(CHUNKED)
        for _ in range(5):
            piece = await connection.receive_until(b".")
            await connection.send_all(b"%x\r\n%b\r\n" % (len(piece), piece))
        await connection.send_all(b"0\r\n\r\n")

    fields = b"Content-Length: 35\r\n" if length else b"Transfer-Encoding: chunked\r\n"
    async with open_engine(short_tmp, handle) as engine:
        visitor = engine.connect()
        await visitor.send(request(b"POST / HTTP/1.1", fields))
        for number in range(5):
            piece = b"piece%d." % number
            await visitor.send(piece if length else b"7\r\n%b\r\n" % piece)
            assert piece in await visitor.receive_until(piece)
        if not length:
            await visitor.send(b"0\r\n\r\n")
        assert (await visitor.receive_until(b"\r\n0\r\n\r\n")).endswith(b"\r\n0\r\n\r\n")


@pytest.mark.parametrize("size", [0, 1, 65535, 65536, 65537, 1_000_000])
@pytest.mark.parametrize("framing", ["length", "chunked", "close"])
@pytest.mark.parametrize("memory", [False, True], ids=["socket", "memory"])
async def test_bodies_of_any_size_arrive_whole(size: int, framing: str, memory: bool, short_tmp: Path) -> None:
    body = bytes(range(256)) * (size // 256) + bytes(size % 256)

    async def handle(connection: OriginConnection) -> None:
        await connection.receive_head()
        received = await connection.receive_exactly(size)
        assert received == body
        if framing == "length":
            await connection.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (size, body))
            await connection.receive_to_end()
        elif framing == "close":
            await connection.send_all(b"HTTP/1.1 200 OK\r\n\r\n" + body)
        else:
            await connection.send_all(CHUNKED)
            for at in range(0, size, 50_000):
                piece = body[at : at + 50_000]
                await connection.send_all(b"%x\r\n%b\r\n" % (len(piece), piece))
            await connection.send_all(b"0\r\n\r\n")
            await connection.receive_to_end()

    async with open_engine(short_tmp, handle) as engine, trio.open_nursery() as nursery:
        visitor = engine.connect_memory(capacity=100_000) if memory else engine.connect()
        for _ in range(2):
            nursery.start_soon(visitor.send, request(b"POST / HTTP/1.1", b"Content-Length: %d\r\n" % size, body))
            response = await visitor.receive_response()
            assert response.body == body
            assert response.framing == ("length" if framing == "length" else "chunked")


async def test_a_visitor_who_does_not_read_slows_the_application(short_tmp: Path) -> None:
    sent = 0

    async def handle(connection: OriginConnection) -> None:
        nonlocal sent
        await connection.receive_head()
        await connection.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n")
        for _ in range(1000):
            await connection.send_all(bytes(100_000))
            sent += 100_000

    async with open_engine(short_tmp, handle) as engine:
        visitor = engine.connect(unix=True)
        await visitor.send(request())
        await engine.origin.wait_connections()
        await wait_all_tasks_blocked()
        assert 0 < sent < 2_000_000
        before = sent
        await visitor.receive_exactly(2_000_000)
        await wait_all_tasks_blocked()
        assert sent > before + 1_000_000


async def test_an_application_that_does_not_read_slows_the_visitor(short_tmp: Path) -> None:
    sent = 0

    async def handle(connection: OriginConnection) -> None:
        await connection.receive_head()
        await trio.sleep_forever()

    async def upload() -> None:
        nonlocal sent
        await visitor.send(request(b"POST / HTTP/1.1", b"Content-Length: 100000000\r\n"))
        while True:
            await visitor.send(bytes(100_000))
            sent += 100_000

    async with open_engine(short_tmp, handle, limits=IMPATIENT) as engine, trio.open_nursery() as nursery:
        visitor = engine.connect(unix=True)
        nursery.start_soon(upload)
        await wait_all_tasks_blocked(0.01)
        assert 0 < sent < 2_000_000
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("limits", [ServerLimits(), ServerLimits(splice_size=4)], ids=["copied", "spliced"])
async def test_an_early_answer_reaches_a_visitor_who_is_still_sending(
    limits: ServerLimits, short_tmp: Path
) -> None:
    answer = b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 4\r\nConnection: close\r\n\r\nbig!"

    async def handle(connection: OriginConnection) -> None:
        await connection.receive_head()
        await connection.send_all(answer)

    async def upload() -> None:
        try:
            while True:
                await visitor.send(bytes(100_000))
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass

    async with open_engine(short_tmp, handle, limits=limits) as engine, trio.open_nursery() as nursery:
        visitor = engine.connect()
        await visitor.send(request(b"POST / HTTP/1.1", b"Content-Length: 1000000000\r\n"))
        nursery.start_soon(upload)
        response = await visitor.receive_response()
        assert (response.status, response.body) == (413, b"big!")
        assert response.values(b"connection") == [b"close"]
        assert await visitor.receive_to_end() == b""
        visitor.close()


# What is cut looks cut.


@pytest.mark.parametrize("version", [b"HTTP/1.1", b"HTTP/1.0"])
@pytest.mark.parametrize(
    ("begin", "end"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", b""),
        (CHUNKED + b"3\r\nabc\r\n", b""),
        (CHUNKED + b"3\r\nabc\r\n", b"0\r\n"),
        (CHUNKED + b"3\r\nabc\r\n", b"0\r\nA: b\r\n"),
        (CHUNKED + b"3\r\nabc\r\n", b"x\r\n"),
        (CHUNKED + b"9\r\nabc", b""),
    ],
)
async def test_a_response_that_is_cut_looks_cut(begin: bytes, end: bytes, version: bytes, short_tmp: Path) -> None:
    seen = trio.Event()

    async def handle(connection: OriginConnection) -> None:
        await connection.receive_head()
        await connection.send_all(begin)
        await seen.wait()
        await connection.send_all(end)

    async with open_engine(short_tmp, handle) as engine:
        visitor = engine.connect()
        await visitor.send(request(b"GET / " + version))
        # A reset may overtake what is not read yet.
        visitor.unread = await visitor.receive_until(b"abc")
        seen.set()
        with pytest.raises(Truncated) as caught:
            await visitor.receive_response()
        assert caught.value.body == b"abc"
        await engine.wait_told()
        [told] = engine.planes.service.describe_events(engine.route_id)
        assert str(told["text"]).startswith("Cut a response short: ")


@pytest.mark.parametrize("version", [b"HTTP/1.1", b"HTTP/1.0"])
async def test_a_response_that_ends_by_a_reset_looks_cut(version: bytes, short_tmp: Path) -> None:
    close_now = trio.Event()

    async def handle(connection: OriginConnection) -> None:
        await connection.stream.receive_some(5)
        await connection.send_all(b"HTTP/1.1 200 OK\r\n\r\nabc")
        await close_now.wait()  # with unread bytes, so that it resets the peer

    async with open_engine(short_tmp, handle) as engine:
        visitor = engine.connect()
        await visitor.send(request(b"GET / " + version))
        visitor.unread = await visitor.receive_until(b"abc")
        close_now.set()
        with pytest.raises(Truncated) as caught:
            await visitor.receive_response()
        assert caught.value.body == b"abc"


@pytest.mark.parametrize("size", [3, 1_000_000])
@pytest.mark.parametrize("version", [b"HTTP/1.1", b"HTTP/1.0"])
async def test_an_early_refusal_that_ends_with_its_connection_is_whole(
    version: bytes, size: int, short_tmp: Path
) -> None:
    """A UNIX socket that is closed with a part of the request unread tells a reset, not an end."""

    async def handle(connection: OriginConnection) -> None:
        await connection.stream.receive_some(5)
        await connection.send_all(b"HTTP/1.0 413 Too Large\r\n\r\nabc")

    async with open_engine(short_tmp, handle) as engine, trio.open_nursery() as nursery:
        visitor = engine.connect()
        await visitor.send(request(b"POST / " + version, b"Content-Length: %d\r\n" % size))
        nursery.start_soon(visitor.send, bytes(size))
        response = await visitor.receive_response()
        assert (response.status, response.body) == (413, b"abc")


@pytest.mark.parametrize("version", [b"HTTP/1.1", b"HTTP/1.0"])
async def test_a_response_that_ends_with_the_session_looks_cut(version: bytes, short_tmp: Path) -> None:
    lose_link = trio.Event()

    async def handle(connection: OriginConnection) -> None:
        await connection.receive_head()
        await connection.send_all(b"HTTP/1.1 200 OK\r\n\r\nabc")
        await lose_link.wait()

    # The word of it comes later than the end of the relayed connection, but within the delay.
    async with open_engine(short_tmp, handle, limits=ServerLimits(lost_link_delay=60)) as engine:
        visitor = engine.connect()
        await visitor.send(request(b"GET / " + version))
        visitor.unread = await visitor.receive_until(b"abc")
        lose_link.set()
        await wait_all_tasks_blocked()
        engine.end_session()
        with pytest.raises(Truncated) as caught:
            await visitor.receive_response()
        assert caught.value.body == b"abc"


@pytest.mark.parametrize("version", [b"HTTP/1.1", b"HTTP/1.0"])
async def test_a_response_that_ends_with_its_connection_is_whole(version: bytes, short_tmp: Path) -> None:
    async def handle(connection: OriginConnection) -> None:
        await connection.receive_head()
        await connection.send_all(b"HTTP/1.0 200 OK\r\n\r\nabc")

    async with open_engine(short_tmp, handle) as engine:
        visitor = engine.connect()
        await visitor.send(request(b"GET / " + version))
        response = await visitor.receive_response()
        assert response.body == b"abc"
        if version == b"HTTP/1.0":
            assert response.framing == "none"
            await visitor.wait_closed()
        else:
            assert response.framing == "chunked"
            await visitor.send(request())
            assert (await visitor.receive_response()).body == b"abc"


async def test_a_request_that_is_cut_looks_cut(short_tmp: Path) -> None:
    async with open_engine(short_tmp, Application()) as engine:
        visitor = engine.connect()
        await visitor.send(request(b"POST / HTTP/1.1", b"Content-Length: 5\r\n", b"abc"))
        await engine.origin.wait_connections()
        await visitor.send_eof()
        with trio.fail_after(1):
            await engine.origin.connections[0].ended.wait()
        assert engine.origin.connections[0].received.endswith(b"\r\n\r\nabc")
        await visitor.wait_closed()


async def test_a_chunk_that_is_malformed_after_the_head_went_on(short_tmp: Path) -> None:
    async with open_engine(short_tmp, Application()) as engine:
        visitor = engine.connect()
        await visitor.send(request(b"POST / HTTP/1.1", b"Transfer-Encoding: chunked\r\n", b"3\r\nabc\r\n"))
        await engine.origin.wait_connections()
        await wait_all_tasks_blocked()
        await visitor.send(b"-1\r\n")
        response = await visitor.receive_response()
        assert response.status == 400
        assert response.values(b"connection") == [b"close"]
        assert engine.origin.connections[0].received.endswith(b"\r\n\r\n3\r\nabc\r\n")
        with trio.fail_after(1):
            await engine.origin.connections[0].ended.wait()


# Aborts and half-closes.


@pytest.mark.parametrize("how", ["reset", "close"])
@pytest.mark.parametrize("stage", ["silent", "streaming", "uploading"])
async def test_an_abort_reaches_the_application_at_once(how: str, stage: str, short_tmp: Path) -> None:
    async def handle(connection: OriginConnection) -> None:
        await connection.receive_head()
        if stage == "streaming":
            await connection.send_all(CHUNKED + b"3\r\nabc\r\n")
        await connection.receive_to_end()

    async with open_engine(short_tmp, handle) as engine:
        # Of a TCP peer only a reset shows; of a UNIX peer a close does.
        visitor = engine.connect(unix=how == "close")
        length = b"Content-Length: 9\r\n" if stage == "uploading" else b""
        await visitor.send(request(b"POST / HTTP/1.1", length))
        await engine.origin.wait_connections()
        if stage == "streaming":
            await visitor.receive_until(b"abc")
        await trio.sleep(2 * engine.context.limits.watch_delay)
        visitor.reset() if how == "reset" else visitor.close()
        with trio.fail_after(1):
            await engine.origin.connections[0].ended.wait()


async def test_a_half_close_after_a_request_is_no_abort(short_tmp: Path) -> None:
    answer_now = trio.Event()

    async def handle(connection: OriginConnection) -> None:
        await connection.receive_head()
        await answer_now.wait()
        await connection.send_all(OK)

    async with open_engine(short_tmp, handle, limits=ServerLimits(watch_delay=0.01)) as engine:
        visitor = engine.connect()
        await visitor.send(request())
        await visitor.send_eof()
        await engine.origin.wait_connections()
        await trio.sleep(0.05)
        answer_now.set()
        assert (await visitor.receive_response()).body == b"ok"
        await visitor.wait_closed()


# 100-continue.


async def test_the_applications_own_100_lets_the_body_come(short_tmp: Path) -> None:
    async def handle(connection: OriginConnection) -> None:
        head = await connection.receive_head()
        assert b"\r\nExpect: 100-continue\r\n" in head
        await connection.send_all(b"HTTP/1.1 100 Continue\r\n\r\n")
        assert await connection.receive_exactly(5) == b"hello"
        await connection.send_all(OK)
        await connection.receive_to_end()

    async with open_engine(short_tmp, handle) as engine:
        visitor = engine.connect()
        fields = b"Expect: 100-continue\r\nContent-Length: 5\r\n"
        await visitor.send(request(b"PUT / HTTP/1.1", fields))
        assert await visitor.receive_until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        await visitor.send(b"hello")
        assert (await visitor.receive_response()).body == b"ok"


async def test_an_application_that_does_not_want_the_body(short_tmp: Path) -> None:
    answer = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n"
    async with open_engine(short_tmp, Application(answer)) as engine:

        async def handle_refusal() -> None:
            fields = b"Expect: 100-continue\r\nContent-Length: 5\r\n"
            await visitor.send(request(b"PUT / HTTP/1.1", fields))

        visitor = engine.connect()
        await handle_refusal()
        await engine.origin.wait_connections()
        # The application answers without the body.
        await engine.origin.connections[0].send_all(answer)
        response = await visitor.receive_response()
        assert (response.status, response.values(b"connection")) == (401, [b"close"])
        await visitor.send_eof()
        await visitor.wait_closed()


# Upgrades.

UPGRADE = b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
SWITCHING = b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\nX-A: b\r\n\r\n"


async def test_a_tunnel_carries_early_bytes_first_and_ends_by_halves(short_tmp: Path) -> None:
    async def handle(connection: OriginConnection) -> None:
        await connection.receive_head()
        await connection.send_all(SWITCHING + b"early from the application;")
        assert await connection.receive_until(b"visitor;") == b"early from the visitor;"
        await connection.send_all(b"later")
        assert await connection.receive_to_end() == b"more"
        await connection.send_all(b"after the half-close")

    async with open_engine(short_tmp, handle) as engine:
        visitor = engine.connect()
        await visitor.send(request(fields=UPGRADE) + b"early from the ")
        await visitor.send(b"visitor;")
        response = await visitor.receive_response(upgrade=True)
        assert response.status == 101
        assert response.fields == ((b"X-A", b"b"), (b"Connection", b"Upgrade"), (b"Upgrade", b"websocket"))
        assert await visitor.receive_until(b"later") == b"early from the application;later"
        await visitor.send(b"more")
        await visitor.send_eof()
        assert await visitor.receive_to_end() == b"after the half-close"


async def test_an_upgrade_that_is_refused_is_an_ordinary_exchange(short_tmp: Path) -> None:
    application = Application()
    async with open_engine(short_tmp, application) as engine:
        visitor = engine.connect()
        for _ in range(2):
            await visitor.send(request(fields=UPGRADE))
            assert (await visitor.receive_response(upgrade=True)).body == b"ok"
        assert [message.values(b"upgrade") for message in application.messages] == [[b"websocket"]] * 2


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 101 X\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n",
        b"HTTP/1.1 101 X\r\nConnection: upgrade\r\nUpgrade: websocket, h2c\r\n\r\n",
        b"HTTP/1.1 101 X\r\nConnection: upgrade\r\n\r\n",
        b"HTTP/1.1 101 X\r\nUpgrade: h2c\r\n\r\n",
        b"HTTP/1.0 101 X\r\n\r\n",
    ],
)
async def test_a_101_that_does_not_match_is_no_tunnel(answer: bytes, short_tmp: Path) -> None:
    async with open_engine(short_tmp, Application(answer + b"GET /evil HTTP/1.1\r\n\r\n")) as engine:
        visitor = engine.connect()
        await visitor.send(request(fields=UPGRADE))
        assert (await visitor.receive_response(upgrade=True)).status == 502
        with trio.fail_after(1):
            await engine.origin.connections[0].ended.wait()


@pytest.mark.parametrize("who", ["visitor", "application", "session"])
async def test_a_tunnel_ends_with_either_side_and_with_the_session(who: str, short_tmp: Path) -> None:
    close_now = trio.Event()

    async def handle(connection: OriginConnection) -> None:
        await connection.receive_head()
        await connection.send_all(SWITCHING)
        if who == "application":
            await close_now.wait()
        else:
            await connection.receive_to_end()

    async with open_engine(short_tmp, handle) as engine:
        visitor = engine.connect(unix=True)
        await visitor.send(request(fields=UPGRADE))
        assert (await visitor.receive_response(upgrade=True)).status == 101
        match who:
            case "visitor":
                visitor.close()
                with trio.fail_after(1):
                    await engine.origin.connections[0].ended.wait()
            case "application":
                close_now.set()
                await visitor.wait_closed()
            case "session":
                engine.end_session()
                await visitor.wait_closed()


# The session's end in the middle of everything.


async def test_the_session_ends_before_an_answer(short_tmp: Path) -> None:
    async def handle(connection: OriginConnection) -> None:
        await connection.receive_to_end()

    async with open_engine(short_tmp, handle) as engine:
        visitor = engine.connect()
        await visitor.send(request())
        await engine.origin.wait_connections()
        engine.end_session()
        response = await visitor.receive_response()
        assert response.status in (502, 503)
        assert b"session" in response.body


async def test_the_session_ends_in_a_body(short_tmp: Path) -> None:
    async def handle(connection: OriginConnection) -> None:
        await connection.receive_head()
        await connection.send_all(CHUNKED + b"3\r\nabc\r\n")
        await connection.receive_to_end()

    async with open_engine(short_tmp, handle, limits=IMPATIENT) as engine:
        visitor = engine.connect()
        await visitor.send(request())
        visitor.unread = await visitor.receive_until(b"abc")
        engine.end_session()
        with pytest.raises(Truncated):
            await visitor.receive_response()


@pytest.mark.parametrize("size", [3, 1_000_000], ids=["waiting for more", "in the middle of a piece"])
async def test_the_session_ends_in_an_upload(size: int, short_tmp: Path) -> None:
    async def handle(connection: OriginConnection) -> None:
        await trio.sleep_forever()

    async with open_engine(short_tmp, handle, limits=attrs.evolve(IMPATIENT, splice_size=4)) as engine:
        visitor = engine.connect()
        await visitor.send(request(b"POST / HTTP/1.1", b"Content-Length: 1000001\r\n", bytes(size)))
        await engine.origin.wait_connections()
        await wait_all_tasks_blocked()
        engine.end_session()
        response = await visitor.receive_response()
        assert response.status in (502, 503)
        assert response.values(b"connection") == [b"close"]


async def test_from_the_session_s_end_on_no_more_of_an_upload_is_passed_on(short_tmp: Path) -> None:
    heard, may_end = bytearray(), trio.Event()

    async def handle(connection: OriginConnection) -> None:
        await connection.receive_head()
        await connection.send_all(CHUNKED + b"3\r\nabc\r\n")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(listen, connection)
            await may_end.wait()
            nursery.cancel_scope.cancel()
        await connection.send_all(b"4\r\nlast\r\n0\r\n\r\n")

    async def listen(connection: OriginConnection) -> None:
        while await connection.receive_more():
            heard.extend(connection.unread)
            connection.unread.clear()

    async with open_engine(short_tmp, handle, is_resumable=True) as engine:
        visitor = engine.connect()
        await visitor.send(request(b"POST / HTTP/1.1", b"Content-Length: 1000\r\n", b"early"))
        visitor.unread = await visitor.receive_until(b"abc") + visitor.unread
        await visitor.send(b" and in time")
        while not heard.endswith(b"in time"):  # noqa: ASYNC110
            await trio.sleep(0.001)
        engine.end_session()
        await engine.wait_known()
        await visitor.send(b" and too late")
        await wait_all_tasks_blocked(0.01)
        may_end.set()
        assert (await visitor.receive_response(b"POST")).body == b"abclast"
    assert b"late" not in heard


# Deadlines.

LONG = 1e6  # patience with a clock that jumps


async def test_a_body_that_stalls(short_tmp: Path, autojump_clock: MockClock) -> None:
    async with open_engine(short_tmp, Application(), patience=LONG) as engine:
        visitor = engine.connect()
        await visitor.send(request(b"POST / HTTP/1.1", b"Content-Length: 9\r\n", b"abc"))
        start = trio.current_time()
        response = await visitor.receive_response()
        assert response.status == 408
        assert trio.current_time() - start == pytest.approx(engine.context.limits.body_stall_timeout, abs=1)


async def test_a_visitor_who_does_not_read_is_given_up(short_tmp: Path, autojump_clock: MockClock) -> None:
    ended = trio.Event()

    async def handle(connection: OriginConnection) -> None:
        await connection.receive_head()
        with pytest.raises(trio.BrokenResourceError):
            await connection.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9000000\r\n\r\n" + bytes(9_000_000))
        ended.set()

    async with open_engine(short_tmp, handle, patience=LONG) as engine:
        visitor = engine.connect(unix=True)
        await visitor.send(request())
        await engine.origin.wait_connections()
        start = trio.current_time()
        await ended.wait()
        assert trio.current_time() - start < 2 * engine.context.limits.send_stall_timeout
        with pytest.raises(Truncated):
            await visitor.receive_response()


async def test_an_application_may_take_its_time(short_tmp: Path, autojump_clock: MockClock) -> None:
    async def handle(connection: OriginConnection) -> None:
        await connection.receive_head()
        await trio.sleep(3600)
        await connection.send_all(CHUNKED + b"3\r\nabc\r\n")
        await trio.sleep(36000)
        await connection.send_all(b"0\r\n\r\n")

    async with open_engine(short_tmp, handle, patience=LONG) as engine:
        visitor = engine.connect()
        await visitor.send(request())
        assert (await visitor.receive_response()).body == b"abc"
