"""Each request is counted once and told once, whatever becomes of it, by what the real engine does."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from conductor_trio.server.observability.observer import Observer
from conductor_trio.server.routing.states import Cause
from tests.doubles.origin import OriginConnection, OriginHandler, answering
from tests.support.engine import COOKIE, HOST, OK, TOKEN, Application, Engine, open_engine, request
from tests.support.observing import KeptLines, Line, observing
from tests.support.routes import make_route
from tests.support.shares import cookie, give, make_share


@asynccontextmanager
async def observed(
    directory: Path, handler: OriginHandler | None = None
) -> AsyncIterator[tuple[Engine, Observer, KeptLines, KeptLines]]:
    observer, access, audit = observing()
    async with open_engine(directory, handler or Application(), observer=observer, is_resumable=True) as engine:
        yield engine, observer, access, audit


async def test_a_request_is_told_with_what_became_of_it(short_tmp: Path) -> None:
    async with observed(short_tmp) as (engine, observer, access, _):
        visitor = engine.connect()
        for _ in range(2):
            await visitor.send(request(b"GET /lab?secret=1 HTTP/1.1"))
            response = await visitor.receive_response()
    first, second = access.lines
    assert (first["path"], first["status"], first["user"], first["grant"]) == ("/lab", 200, "alice", "owner")
    assert first["session"] == engine.route_id and first["bytes"] == len(response.raw) and not first["cut"]
    assert first["request"] != second["request"]
    measures = observer.measures
    assert measures.by_application[2].count == 2 and sum(one.count for one in measures.by_gateway) == 0
    # The first had to connect, the second found a connection kept.
    assert measures.first_byte.count == measures.connect.count == measures.direct.count == 1
    assert TOKEN.decode() not in repr(access.lines) and "secret" not in repr(access.lines)


async def test_without_logs_it_is_counted_all_the_same(short_tmp: Path) -> None:
    observer = Observer()
    async with open_engine(short_tmp, Application(), observer=observer) as engine:
        visitor = engine.connect()
        for _ in range(3):
            await visitor.send(request())
            await visitor.receive_response()
        await visitor.send(request(auth=b""))
        assert (await visitor.receive_response()).status == 403
    assert observer.measures.by_application[2].count == 3 and observer.measures.by_gateway[4].count == 1
    assert observer.measures.direct.count == 2 and observer.measures.refusals["no_token"] == 1


async def test_the_application_gets_the_id_that_is_told(short_tmp: Path) -> None:
    async with observed(short_tmp) as (engine, _, access, __):
        visitor = engine.connect()
        await visitor.send(request(fields=b"X-Request-Id: forged\r\nx_request_id: forged\r\n"))
        await visitor.receive_response()
        front = engine.connect(unix=True)
        await front.send(request(fields=b"X-Request-Id: from-the-front\r\n"))
        await front.receive_response()
        received = b"".join(bytes(connection.received) for connection in engine.origin.connections)
    given = re.findall(rb"(?i)x.request.id: (.*)\r\n", received)
    assert [one.decode() for one in given] == [line["request"] for line in access.lines]
    assert given[1] == b"from-the-front" and b"forged" not in received


async def test_without_a_log_a_visitors_id_goes_on_as_any_field(short_tmp: Path) -> None:
    async with open_engine(short_tmp, answering(OK)) as engine:
        visitor = engine.connect()
        await visitor.send(request(fields=b"X-Request-Id: the-pages-own\r\n"))
        await visitor.receive_response()
        assert b"X-Request-Id: the-pages-own\r\n" in engine.origin.connections[0].received


async def test_one_who_goes_before_an_answer_is_told_once(short_tmp: Path) -> None:
    async def never(_: OriginConnection) -> None:
        await trio.sleep_forever()

    async with observed(short_tmp, never) as (engine, observer, access, _):
        visitor = engine.connect()
        await visitor.send(request())
        await engine.origin.wait_connections()
        visitor.reset()
    [line] = access.lines
    assert line["status"] == 499 and line["cut"] is True and line["first_byte"] is None
    assert observer.measures.by_gateway[0].count == 1


async def test_a_tunnel_is_told_at_its_end_and_its_time_is_no_requests(short_tmp: Path) -> None:
    switching = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    async with observed(short_tmp, answering(switching)) as (engine, observer, access, audit):
        visitor = engine.connect()
        await visitor.send(request(fields=b"Connection: Upgrade\r\nUpgrade: websocket\r\n"))
        assert (await visitor.receive_until(b"\r\n\r\n")).startswith(b"HTTP/1.1 101")
        assert observer.measures.upgrades == 1 and access.lines == []
        assert len(audit.events("visit_began")) == 1
    [line] = access.lines
    assert line["status"] == 101 and line["bytes"] == len(switching)
    assert observer.measures.by_application[1].count == 0


async def test_a_page_of_our_own_that_goes_on_as_a_websocket_is_told_as_a_tunnel(short_tmp: Path) -> None:
    async with observed(short_tmp) as (engine, _, access, _):
        visitor = engine.connect()
        fields = (
            b"Origin: http://app-alice.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        )
        await visitor.send(request(b"GET /_conductor/live HTTP/1.1", fields))
        assert (await visitor.receive_until(b"\r\n\r\n")).startswith(b"HTTP/1.1 101")
    [line] = access.lines
    assert (line["path"], line["status"], line["user"]) == ("/_conductor/live", 101, "alice")


async def test_one_that_waits_for_a_lost_link_is_queued(short_tmp: Path) -> None:
    async with observed(short_tmp) as (engine, observer, access, audit):
        visitor = engine.connect()
        engine.routes.change(engine.route_id, Cause.LINK_LOST)
        await visitor.send(request())
        while not engine.control.parked.total:  # noqa: ASYNC110
            await trio.lowlevel.checkpoint()
        await trio.sleep(0.02)
        engine.routes.register(make_route(token=TOKEN, relay_path=engine.origin.path, is_resumable=True))
        assert (await visitor.receive_response()).status == 200
    [line] = access.lines
    assert line["queued"] >= 0.02 and line["status"] == 200 and line["session"] != engine.route_id
    assert observer.measures.parked == 1 and observer.measures.queue.sum >= 0.02
    assert [one["event"] for one in audit.lines if "session_" in one["event"]][-3:-1] == [
        "session_lost",
        "session_back",
    ]


async def test_who_is_let_in_is_a_visit_by_what_and_from_where(short_tmp: Path) -> None:
    async with observed(short_tmp) as (engine, _, access, audit):
        give(engine, make_share(id="k3x"))
        for auth in (COOKIE, cookie(b"shared-with-a-friend"), b"", cookie(b"wrong")):
            visitor = engine.connect()
            await visitor.send(request(auth=auth))
            await visitor.receive_response()
        front = engine.connect(unix=True)
        await front.send(request(fields=b"X-Forwarded-For: 203.0.113.9\r\n"))
        await front.receive_response()
    began: list[Line] = audit.events("visit_began")
    assert [(line["grant"], line["share"], line["address"]) for line in began] == [
        ("owner", None, "127.0.0.1"),
        ("share", "k3x", "127.0.0.1"),
        ("owner", None, "203.0.113.9"),
    ]
    assert [line["grant"] for line in access.lines] == ["owner", "share", None, None, "owner"]
    [wrong] = audit.events("wrong_tokens")
    assert wrong["address"] == "127.0.0.1" and wrong["host"] == HOST.decode()


@pytest.mark.parametrize("networks", [(), ("127.0.0.0/8",), ("192.0.2.0/24",)])
async def test_the_status_is_for_whom_it_may_be(networks: tuple[str, ...], short_tmp: Path) -> None:
    async with open_engine(short_tmp, answering(OK), status_from=networks) as engine:
        visitor = engine.connect()
        await visitor.send(request(b"GET /_conductor/status HTTP/1.1", auth=b""))
        response = await visitor.receive_response()
    assert response.status == (404 if networks == ("192.0.2.0/24",) else 200)


async def test_a_front_proxys_visitor_counts_for_the_status(short_tmp: Path) -> None:
    async with open_engine(short_tmp, answering(OK), status_from=("10.0.0.0/8",)) as engine:
        statuses = []
        for address in (b"10.1.2.3", b"192.0.2.1", b"unknown"):
            front = engine.connect(unix=True)
            fields = b"X-Forwarded-For: " + address + b"\r\n"
            await front.send(request(b"GET /_conductor/status HTTP/1.1", fields, auth=b""))
            statuses.append((await front.receive_response()).status)
    assert statuses == [200, 404, 404]
