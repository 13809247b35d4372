"""A request's body on its way to the application: framed anew, read to its end, cut where it was cut."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from conductor_trio.server.proxy.exchange.failures import ClientDisconnected, RequestAborted
from conductor_trio.server.proxy.exchange.request_pump import RequestPump
from tests.support.engine import request
from tests.support.exchange_bench import Bench, open_bench

POST = b"POST / HTTP/1.1"
CHUNKED = b"Transfer-Encoding: chunked\r\n"


def begin(bench: Bench, fields: bytes, body: bytes = b"") -> RequestPump:
    """Return the pump of a request of which no more has come yet."""
    head = bench.receive_request(request(POST, fields, body))
    return RequestPump(bench.context, bench.runtime, head, is_complete=False)


@pytest.mark.parametrize(
    ("fields", "body", "framed", "is_complete"),
    [
        (b"", b"", b"", True),
        (b"Content-Length: 5\r\n", b"hello", b"hello", True),
        (b"Content-Length: 5\r\n", b"hel", b"hel", False),
        (b"Content-Length: 5\r\n", b"", b"", False),
        (CHUNKED, b"0005;a=b\r\nhello\r\n0\r\n\r\n", b"5\r\nhello\r\n0\r\n\r\n", True),
        (CHUNKED, b"5\r\nhello\r\n", b"5\r\nhello\r\n", False),
        (
            CHUNKED,
            b"0\r\nContent-Length: 7\r\nX-Checksum: 1\r\n\r\n",
            b"0\r\nX-Checksum: 1\r\n\r\n",
            True,
        ),
    ],
)
async def test_what_is_here_already_is_framed_anew(
    fields: bytes, body: bytes, framed: bytes, is_complete: bool
) -> None:
    with open_bench() as bench:
        pump = begin(bench, fields, body)
        assert pump.available_body() == framed
        assert pump.is_complete is is_complete
        assert not pump.was_sent


async def test_nothing_of_the_next_request_is_taken() -> None:
    with open_bench() as bench:
        pump = begin(bench, b"Content-Length: 5\r\n", b"hello" + request(b"GET /next HTTP/1.1"))
        assert pump.available_body() == b"hello"
        assert bench.receive_request(b"").target == b"/next"


async def test_a_body_that_breaks_the_protocol_aborts_the_request() -> None:
    with open_bench() as bench:
        pump = begin(bench, CHUNKED, b"5\r\nhello\r\nno chunk\r\n")
        with pytest.raises(RequestAborted) as caught:
            pump.available_body()
        assert caught.value.status == 400


@pytest.mark.parametrize(
    ("fields", "pieces", "framed"),
    [
        (b"Content-Length: 10\r\n", [b"hello", b"again"], b"helloagain"),
        (
            CHUNKED,
            [b"5\r\nhe", b"llo\r\n5\r\nagain\r\n", b"0\r\n\r\n"],
            b"2\r\nhe\r\n8\r\nlloagain\r\n0\r\n\r\n",
        ),
    ],
)
async def test_the_rest_goes_on_as_it_comes(fields: bytes, pieces: list[bytes], framed: bytes) -> None:
    with open_bench() as bench:
        pump = begin(bench, fields)
        taken: list[bool] = []

        async def run() -> None:
            taken.append(await pump.run(bench.upstream, takes=True))

        got = b""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(run)
            for piece in pieces:
                await bench.visitor.send_all(piece)
                got += await bench.application.receive_some(100)
        bench.upstream.close()
        got += await bench.sent_to_application(100)
        assert got == framed
        assert pump.is_complete and taken == [True]
        assert bench.runtime.traffic.to_application == len(framed)


@pytest.mark.parametrize("fields", [b"Content-Length: 10\r\n", CHUNKED])
async def test_a_visitor_who_ends_inside_the_body_has_cut_it(fields: bytes) -> None:
    with open_bench() as bench:
        pump = begin(bench, fields)
        await bench.visitor.send_all(b"5\r\nhe")
        await bench.visitor.send_eof()
        with pytest.raises(ClientDisconnected):
            await pump.run(bench.upstream, takes=True)
        assert not pump.is_complete


async def test_so_has_one_who_breaks_off() -> None:
    with open_bench() as bench:
        pump = begin(bench, b"Content-Length: 10\r\n")
        bench.visitor.reset()
        with pytest.raises(ClientDisconnected):
            await pump.run(bench.upstream, takes=True)


@pytest.mark.parametrize("fields", [b"Content-Length: 10\r\n", CHUNKED])
async def test_a_body_of_which_nothing_comes_is_given_up(fields: bytes, autojump_clock: MockClock) -> None:
    with open_bench() as bench:
        pump = begin(bench, fields)
        with pytest.raises(RequestAborted) as caught:
            await pump.run(bench.upstream, takes=True)
        assert caught.value.status == 408
        assert trio.current_time() == bench.proxy.limits.body_stall_timeout


async def test_what_the_application_does_not_want_is_read_away() -> None:
    with open_bench() as bench:
        pump = begin(bench, b"Content-Length: 10\r\n")
        await bench.visitor.send_all(b"helloagain")
        assert not await pump.run(bench.upstream, takes=False)
        assert pump.is_complete
        bench.upstream.close()
        assert await bench.sent_to_application(1) == b""
        assert bench.runtime.traffic.to_application == 0


async def test_an_application_that_stops_reading_lets_the_visitor_go_on() -> None:
    with open_bench() as bench:
        pump = begin(bench, b"Content-Length: 10\r\n")
        bench.application.close()
        assert not await pump.send(bench.upstream, b"head")
        assert pump.was_sent
        await bench.visitor.send_all(b"hello")
        taken: list[bool] = []

        async def run() -> None:
            taken.append(await pump.run(bench.upstream, takes=True))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(run)
            await bench.visitor.send_all(b"again")
        assert taken == [False] and pump.is_complete


async def test_cancelled_it_leaves_the_streams_to_their_owners() -> None:
    with open_bench() as bench:
        pump = begin(bench, b"Content-Length: 10\r\n")
        with trio.CancelScope() as scope:
            scope.cancel()
            await pump.run(bench.upstream, takes=True)
        assert scope.cancelled_caught and not pump.is_complete
        await bench.upstream.send_all(b"still")
        assert await bench.sent_to_application(5) == b"still"
        await bench.visitor.send_all(b"here")
        assert await bench.context.visitor.receive_some(100) == b"here"
