"""The server's own answers: counted, and the connection kept only where its next request can be found."""

from __future__ import annotations

import attrs
import pytest
from trio.testing import MockClock

from conductor_trio.access.reasons import ApplicationStarting, BadRequest, LinkLost, Reason, Refusal, SessionEnded
from conductor_trio.server.accounts.counters import Counters
from conductor_trio.server.proxy.answering import Answerer, turn_away
from conductor_trio.server.proxy.exchange.exchange import Outcome
from tests.support.engine import request
from tests.support.exchange_bench import open_bench

POST = b"POST / HTTP/1.1"
BODY = b"Content-Length: 5\r\n"


@pytest.mark.parametrize(
    ("data", "is_complete", "outcome"),
    [
        (request(), False, Outcome.KEEP),
        (request(POST, b"Content-Length: 0\r\n"), False, Outcome.KEEP),
        (request(POST, BODY, b"hello"), True, Outcome.KEEP),
        (request(POST, BODY, b"hel"), False, Outcome.CLOSE),
        (request(fields=b"Connection: close\r\n"), False, Outcome.CLOSE),
        (request(b"GET / HTTP/1.0"), False, Outcome.CLOSE),
    ],
)
async def test_a_connection_is_kept_where_the_request_is_over(
    data: bytes, is_complete: bool, outcome: Outcome, autojump_clock: MockClock
) -> None:
    with open_bench() as bench:
        head = bench.receive_request(data)
        answerer = Answerer(bench.context)
        assert await answerer.answer(Refusal.NO_TOKEN, head, is_complete=is_complete) is outcome
        answer = await bench.sent_to_visitor()
        assert answer.startswith(b"HTTP/1.1 403 ")
        assert (b"\r\nConnection: close\r\n" in answer) is (outcome is Outcome.CLOSE)


async def test_the_next_request_waits_behind_the_answered_one() -> None:
    with open_bench() as bench:
        head = bench.receive_request(request() + request(b"GET /next HTTP/1.1"))
        assert await Answerer(bench.context).answer(Refusal.NO_PAGE, head, is_complete=False) is Outcome.KEEP
        assert bench.receive_request(b"").target == b"/next"


async def test_while_the_server_ends_every_answer_is_the_last() -> None:
    with open_bench() as bench:
        head = bench.receive_request(request())
        bench.proxy.begin_drain()
        assert await Answerer(bench.context).answer(Refusal.NO_TOKEN, head, is_complete=True) is Outcome.CLOSE
        assert b"\r\nConnection: close\r\n" in await bench.sent_to_visitor()


@pytest.mark.parametrize(
    ("reason", "counted"),
    [
        (Refusal.NO_TOKEN, Counters(unauthorized=1)),
        (Refusal.NO_ROUTE, Counters(no_route=1)),
        (SessionEnded(since=0.0), Counters(no_route=1)),
        (LinkLost(since=0.0), Counters(broken=1)),
        (Refusal.TOO_MANY_CONNECTIONS, Counters(broken=1, limited=1)),
        (Refusal.TOO_MANY_VISITORS, Counters(broken=1, limited=1)),
        (BadRequest(status=400), Counters()),
    ],
)
async def test_answers_are_counted(reason: Reason, counted: Counters) -> None:
    with open_bench() as bench:
        head = bench.receive_request(request())
        await Answerer(bench.context).answer(reason, head, is_complete=True)
        assert bench.planes.counters == attrs.evolve(counted, requests_total=1)


@pytest.mark.parametrize("has_request", [True, False])
async def test_a_last_answer_ends_the_connection(has_request: bool, autojump_clock: MockClock) -> None:
    with open_bench() as bench:
        head = bench.receive_request(request()) if has_request else None
        assert await Answerer(bench.context).answer_last(BadRequest(status=408), head) is Outcome.CLOSE
        answer = await bench.sent_to_visitor()
        assert answer.startswith(b"HTTP/1.1 408 ") and b"\r\nConnection: close\r\n" in answer


async def test_one_visitor_too_many_is_told_and_counted() -> None:
    with open_bench() as bench:
        await turn_away(bench.context.visitor, Refusal.TOO_MANY_VISITORS, bench.proxy)
        answer = await bench.sent_to_visitor()
        assert answer.startswith(b"HTTP/1.1 503 ") and b"\r\nConnection: close\r\n" in answer
        assert bench.planes.counters == Counters(broken=1, limited=1)


@pytest.mark.parametrize(("is_for_owner", "is_shown"), [(True, True), (False, False)])
async def test_what_the_application_says_is_for_its_owner(*, is_for_owner: bool, is_shown: bool) -> None:
    with open_bench() as bench:
        record = bench.planes.sessions.records.get(bench.route.id)
        assert record is not None
        record.output = ("loading",)
        head = bench.receive_request(request(b"GET / HTTP/1.1", b"Accept: text/html\r\n"))
        reason = ApplicationStarting(since=0.0, is_for_owner=is_for_owner)
        await Answerer(bench.context).answer(reason, head, is_complete=True)
        assert (b">loading</pre>" in await bench.sent_to_visitor()) is is_shown
