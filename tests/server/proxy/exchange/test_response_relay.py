"""A response on its way to the visitor: framed anew, with an end that shows, and what is left after it."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from conductor_trio.access.service_worker import GUARD
from conductor_trio.errors import UpstreamFault, UpstreamUnavailable
from conductor_trio.http1.body import format_chunk
from conductor_trio.server.proxy.exchange.failures import ResponseTruncated
from conductor_trio.server.proxy.exchange.request_pump import RequestPump
from conductor_trio.server.proxy.exchange.response_relay import ResponseEnd, ResponseRelay
from tests.support.engine import request
from tests.support.exchange_bench import Bench, open_bench

UPGRADE = b"Connection: upgrade\r\nUpgrade: x\r\n"
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n"


def begin(bench: Bench, data: bytes | None = None, *, is_complete: bool = True) -> ResponseRelay:
    """Return the relay of the response to a request."""
    head = bench.receive_request(request() if data is None else data)
    pump = RequestPump(bench.context, bench.runtime, head, is_complete)
    return ResponseRelay(bench.context, bench.runtime, bench.upstream, head, pump)


async def answer(bench: Bench, response: ResponseRelay, data: bytes, *, ends: bool = False) -> ResponseEnd:
    """Have the application answer with these bytes, and return the response's end."""
    await bench.application.send_all(data)
    if ends:
        await bench.application.send_eof()
    return await response.run()


def without_date(data: bytes) -> bytes:
    """Return a response without the Date that we give it."""
    before, found, rest = data.partition(b"Date: ")
    return before + rest.partition(b"\r\n")[2] if found else data


@pytest.mark.parametrize(
    ("line", "sent", "ends", "told", "end"),
    [
        (
            b"GET / HTTP/1.1",
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
            False,
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
            ResponseEnd.REUSABLE,
        ),
        (
            b"GET / HTTP/1.1",
            b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
            False,
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
            ResponseEnd.SPENT,
        ),
        (
            b"GET / HTTP/1.1",
            b"HTTP/1.1 200 OK\r\n\r\nok",
            True,
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
            ResponseEnd.SPENT,
        ),
        (
            b"GET / HTTP/1.0",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
            False,
            b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nok",
            ResponseEnd.REUSABLE,
        ),
        (
            b"HEAD / HTTP/1.1",
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n",
            False,
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n",
            ResponseEnd.REUSABLE,
        ),
        (
            b"GET / HTTP/1.1",
            b"HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
            False,
            b"HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
            ResponseEnd.REUSABLE,
        ),
        (
            b"GET / HTTP/1.0",
            b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
            False,
            b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n",
            ResponseEnd.REUSABLE,
        ),
        (
            b"GET / HTTP/1.1",
            b"HTTP/1.1 204 No Content\r\n\r\nmore than was asked for",
            False,
            b"HTTP/1.1 204 No Content\r\n\r\n",
            ResponseEnd.SPENT,
        ),
        (
            b"GET / HTTP/1.1",
            b"HTTP/1.1 200 OK\nContent-Length: 2\nContent-Length: 2\n\nok",
            False,
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
            ResponseEnd.REUSABLE,
        ),
        (
            b"GET / HTTP/1.1",
            b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
            False,
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
            ResponseEnd.SPENT,
        ),
    ],
    ids=[
        "length",
        "last",
        "until the end",
        "to HTTP/1.0",
        "HEAD",
        "interim",
        "no interim to HTTP/1.0",
        "surplus",
        "bare LF",
        "two framings",
    ],
)
async def test_a_whole_response(
    line: bytes, sent: bytes, ends: bool, told: bytes, end: ResponseEnd, autojump_clock: MockClock
) -> None:
    with open_bench() as bench:
        response = begin(bench, request(line))
        assert await answer(bench, response, sent, ends=ends) is end
        assert without_date(await bench.sent_to_visitor()) == told
        assert response.has_begun and response.has_heard
        assert response.keeps_visitor is (b"Connection: close" not in told)
        assert response.shows_its_end is (b"\r\n\r\nok" not in told or b"Content-Length" in told)


async def test_a_body_is_passed_on_piece_by_piece() -> None:
    with open_bench() as bench, trio.fail_after(10):
        response = begin(bench)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(response.run)
            await bench.application.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n")
            assert (await bench.sent_to_visitor()).endswith(b"\r\n\r\n")
            for piece in (b"hello", b"again"):
                await bench.application.send_all(piece)
                assert await bench.sent_to_visitor() == piece
        assert bench.runtime.traffic.to_visitors > 10


@pytest.mark.parametrize("is_draining", [False, True])
async def test_the_visitors_connection_ends_while_a_request_is_under_way_or_the_server_ends(
    is_draining: bool,
) -> None:
    with open_bench() as bench:
        response = begin(bench, is_complete=is_draining)
        if is_draining:
            bench.proxy.begin_drain()
        await answer(bench, response, b"HTTP/1.1 204 No Content\r\n\r\n")
        assert b"\r\nConnection: close\r\n" in await bench.sent_to_visitor()
        assert not response.keeps_visitor


async def test_a_switch_that_was_asked_for_hands_on_what_came_after_it() -> None:
    with open_bench() as bench:
        response = begin(bench, request(fields=UPGRADE))
        assert await answer(bench, response, SWITCH + b"frames") is ResponseEnd.SWITCHED
        assert (await bench.sent_to_visitor()).startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
        assert response.trailing_data == b"frames"
        assert response.has_begun


async def test_a_switch_without_connection_is_told_with_it() -> None:
    with open_bench() as bench:
        response = begin(bench, request(fields=UPGRADE))
        answered = SWITCH.replace(b"Connection: upgrade\r\n", b"")
        assert await answer(bench, response, answered) is ResponseEnd.SWITCHED
        told = await bench.sent_to_visitor()
        assert told == b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"


async def test_what_came_before_a_malformed_chunk_reaches_the_visitor() -> None:
    with open_bench() as bench:
        response = begin(bench)
        sent = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nno size\r\n"
        with trio.fail_after(10), pytest.raises(ResponseTruncated, match="malformed chunk size"):
            await answer(bench, response, sent)
        assert (await bench.sent_to_visitor()).endswith(b"\r\n\r\n5\r\nhello\r\n")


@pytest.mark.parametrize(
    "data",
    [b"", b"HTTP/1.1 200", b"SSH-2.0-OpenSSH\n", SWITCH, b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"],
    ids=["nothing", "half a head", "no HTTP", "a switch unasked", "no length"],
)
async def test_what_is_no_response_shows_before_anything_was_said(data: bytes, autojump_clock: MockClock) -> None:
    with open_bench() as bench:
        response = begin(bench)
        with pytest.raises(UpstreamUnavailable) as caught:
            await answer(bench, response, data, ends=True)
        assert caught.value.fault is UpstreamFault.BAD_ANSWER
        assert not response.has_begun
        assert response.has_heard is bool(data)
        bench.context.visitor.close()
        assert await bench.sent_to_visitor() == b""


@pytest.mark.parametrize(
    ("version", "framing", "shows_its_end"),
    [
        (b"1.1", b"Content-Length: 10\r\n\r\nhello", True),
        (b"1.1", b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", True),
        (b"1.0", b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", False),
    ],
)
async def test_a_response_that_breaks_off_has_said_what_it_could(
    version: bytes, framing: bytes, shows_its_end: bool, autojump_clock: MockClock
) -> None:
    with open_bench() as bench:
        response = begin(bench, request(b"GET / HTTP/" + version))
        with pytest.raises(ResponseTruncated):
            await answer(bench, response, b"HTTP/1.1 200 OK\r\n" + framing, ends=True)
        assert b"hello" in await bench.sent_to_visitor()
        assert response.has_begun and response.shows_its_end is shows_its_end


async def test_the_end_of_an_application_waits_for_word_that_its_link_is_lost(autojump_clock: MockClock) -> None:
    """A body that only the connection's end ends must not look whole where the session's link was cut."""
    with open_bench() as bench:
        response = begin(bench)
        with trio.move_on_after(bench.proxy.limits.lost_link_delay / 2) as scope:
            await answer(bench, response, b"HTTP/1.1 200 OK\r\n\r\nhello", ends=True)
        assert scope.cancelled_caught
        assert not (await bench.sent_to_visitor()).endswith(b"0\r\n\r\n")


WORKER = b"Service-Worker: script\r\nAccept-Encoding: br\r\nIf-None-Match: x\r\n"


@pytest.mark.parametrize(
    "sent",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nscript",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nscript\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\nscript",
    ],
)
@pytest.mark.parametrize("line", [b"GET /sw.js HTTP/1.1", b"GET /sw.js HTTP/1.0"])
async def test_the_script_of_a_service_worker_has_the_guard_before_it(
    sent: bytes, line: bytes, autojump_clock: MockClock
) -> None:
    with open_bench() as bench:
        response = begin(bench, request(line, WORKER))
        await answer(bench, response, sent, ends=b"Content-Length" not in sent)
        told = await bench.sent_to_visitor()
    _, _, body = told.partition(b"\r\n\r\n")
    if b"Transfer-Encoding: chunked" in told:
        assert body == format_chunk(GUARD) + b"6\r\nscript\r\n0\r\n\r\n"
    else:
        assert body == GUARD + b"script"
        assert b"Content-Length: %d\r\n" % len(body) in told or not response.shows_its_end


async def test_a_service_workers_script_that_cannot_be_guarded_is_a_bad_answer() -> None:
    with open_bench() as bench:
        response = begin(bench, request(b"GET /sw.js HTTP/1.1", WORKER))
        with pytest.raises(UpstreamUnavailable, match="service worker"):
            await answer(bench, response, b"HTTP/1.1 304 Not Modified\r\n\r\n")
