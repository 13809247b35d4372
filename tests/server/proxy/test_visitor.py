"""A visitor's connection: counted while it is there, contained whatever happens in it, and closed at its end."""

from __future__ import annotations

import contextlib
import gc
import socket
import ssl
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import attrs
import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from conductor_trio.limits.constants import HANDSHAKE_HELD
from conductor_trio.limits.server import ServerLimits
from conductor_trio.net.stream import SocketStream
from conductor_trio.server.orders.blocks import Block, Blocked
from conductor_trio.server.proxy.connection import VisitorConnection
from conductor_trio.server.proxy.context import ProxyContext
from conductor_trio.server.proxy.dispatch import Dispatcher
from conductor_trio.server.proxy.visitor import serve_visitor
from conductor_trio.server.settings import ServerSettings
from tests.support.engine import HOST, TOKEN, Visitor, make_log, request
from tests.support.exchange_bench import open_planes
from tests.support.routes import make_route
from tests.support.sockets import tcp_sockets

PATIENCE = 10.0
STATUS = b"GET /_conductor/status HTTP/1.1\r\nHost: x\r\n\r\n"


@attrs.frozen(kw_only=True)
class Served:
    """A visitor who is served, and by whom."""

    visitor: Visitor
    context: ProxyContext
    serving: trio.CancelScope


@asynccontextmanager
async def open_visitor(
    context: ProxyContext, *, tls: ssl.SSLContext | None = None, unix: bool = False
) -> AsyncIterator[Served]:
    """Serve one visitor while the block runs; they are gone after it, and everything is given back."""
    ours, theirs = socket.socketpair() if unix else tcp_sockets()
    before = context.visitors
    serving = trio.CancelScope()

    async def serve() -> None:
        with serving:
            await serve_visitor(theirs, "" if unix else theirs.getpeername()[0], context, tls)

    with trio.fail_after(PATIENCE):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(serve)  # noqa: ASYNC113 # it has begun once all tasks are blocked
            await wait_all_tasks_blocked()
            with contextlib.closing(Visitor(SocketStream(ours), ours)) as visitor:
                yield Served(visitor=visitor, context=context, serving=serving)
        assert theirs.fileno() == -1
        assert context.visitors == before


@pytest.mark.parametrize("unix", [False, True])
async def test_a_visitor_is_counted_while_being_there(unix: bool) -> None:
    context = open_planes().proxy
    async with open_visitor(context, unix=unix) as served:
        await served.visitor.send(STATUS)
        assert (await served.visitor.receive_response()).status == 200
        assert context.visitors == 1


@pytest.mark.skipif(not hasattr(sys, "getrefcount"), reason="its objects go when the collector comes by")
@pytest.mark.parametrize("next_request", [b"", STATUS[:20]], ids=["idle", "inside a head, which is held"])
async def test_what_it_was_goes_with_it_without_the_collector(next_request: bytes) -> None:
    context = open_planes().proxy
    gc.collect()
    gc.disable()
    before = count_connections()
    try:
        async with open_visitor(context) as served:
            await served.visitor.send(STATUS)
            assert (await served.visitor.receive_response()).status == 200
            if next_request:
                await served.visitor.send(next_request)
                await trio.testing.wait_all_tasks_blocked()
                assert context.holdings.total
            assert count_connections() == before + 2
        assert count_connections() == before
    finally:
        gc.enable()


def count_connections() -> int:
    """Return how many connections are in memory, each of which has two parts."""
    return sum(isinstance(one, VisitorConnection | Dispatcher) for one in gc.get_objects())


@pytest.mark.parametrize("has_tls", [False, True])
async def test_one_too_many_is_turned_away(has_tls: bool) -> None:
    planes = open_planes(ServerLimits(max_visitors=1))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER) if has_tls else None
    async with open_visitor(planes.proxy) as first:
        await first.visitor.send(STATUS)
        assert (await first.visitor.receive_response()).status == 200
        async with open_visitor(planes.proxy, tls=tls) as second:
            if has_tls:  # there is no saying it without a handshake, which costs too much
                assert await second.visitor.receive_to_end() == b""
            else:
                assert (await second.visitor.receive_response()).status == 503
                assert planes.counters.limited == 1
        await first.visitor.send(STATUS)
        assert (await first.visitor.receive_response()).status == 200


@pytest.mark.parametrize("has_tls", [False, True])
async def test_who_comes_from_a_blocked_network_is_told_so_or_closed(has_tls: bool) -> None:
    planes = open_planes()
    planes.orders.block(Block(kind=Blocked.NETWORK, name="127.0.0.0/8", since=1.0))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER) if has_tls else None
    async with open_visitor(planes.proxy, tls=tls) as served:
        if has_tls:  # a handshake costs too much
            assert await served.visitor.receive_to_end() == b""
        else:
            assert (await served.visitor.receive_response()).status == 403
        assert planes.proxy.visitors == 0
    planes.orders.unblock(Blocked.NETWORK, "127.0.0.0/8")
    async with open_visitor(planes.proxy) as served:
        await served.visitor.send(STATUS)
        assert (await served.visitor.receive_response()).status == 200


class Breaking:
    """A control plane that fails when it is told anything."""

    def note_wrong_token(self, route_id: str) -> None:
        """Fail."""
        raise RuntimeError(route_id)

    def note_failure(self, route_id: str, failure: str, where: str) -> None:
        """Fail."""
        raise RuntimeError(route_id, failure, where)

    def last_output(self, route_id: str) -> tuple[str, ...]:
        """Fail."""
        raise RuntimeError(route_id)


async def test_what_fails_inside_takes_nobody_else_along() -> None:
    planes = open_planes()
    planes.routes.register(make_route(host=HOST.decode(), token=TOKEN))
    entries: list[Mapping[str, Any]] = []
    settings = ServerSettings(runtime_dir="/nowhere", patterns=("{key}-{user}.test",))
    context = ProxyContext(
        settings=settings,
        log=make_log(entries),
        routes=planes.routes,
        ledger=planes.ledger,
        holdings=planes.sessions.holdings,
        counters=planes.counters,
        reports=Breaking(),
        own_pages=planes.proxy.own_pages,
        poller=planes.proxy.poller,
    )
    async with open_visitor(context) as other:
        async with open_visitor(context) as served:
            await served.visitor.send(request(auth=b"Cookie: authorization=wrong\r\n"))
            await served.visitor.wait_closed()
        assert planes.counters.internal_errors == 1
        assert [entry["event"] for entry in entries] == ["visitor_failed"]
        await other.visitor.send(STATUS)
        assert (await other.visitor.receive_response()).status == 200


async def test_one_who_breaks_off_is_no_failure_of_ours() -> None:
    planes = open_planes()
    async with open_visitor(planes.proxy) as served:
        await served.visitor.send(b"GET / HTT")
        served.visitor.reset()
    assert planes.counters.internal_errors == 0


async def test_what_is_no_handshake_ends_the_connection() -> None:
    planes = open_planes()
    async with open_visitor(planes.proxy, tls=ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)) as served:
        await served.visitor.send(STATUS)
        await served.visitor.send_eof()
        said = await served.visitor.receive_to_end()
        assert not said.startswith(b"HTTP")  # an alert, at most
    assert planes.counters.internal_errors == planes.counters.requests_total == 0


async def test_too_many_handshakes_of_an_address_end_the_oldest() -> None:
    planes = open_planes(ServerLimits(max_address_handshakes=1))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with trio.fail_after(PATIENCE), contextlib.ExitStack() as stack:
        async with trio.open_nursery() as nursery:
            visitors = []
            for _ in range(3):
                ours, theirs = tcp_sockets()
                visitors.append(Visitor(SocketStream(ours), ours))
                stack.enter_context(contextlib.closing(visitors[-1]))
                nursery.start_soon(serve_visitor, theirs, theirs.getpeername()[0], planes.proxy, tls)
                await visitors[-1].send(b"\x16\x03")  # a handshake's first bytes
                await wait_all_tasks_blocked()
            for visitor in visitors[:2]:
                await visitor.wait_closed()
            assert planes.proxy.visitors == 1
            nursery.cancel_scope.cancel()
    assert planes.counters.internal_errors == 0


async def test_handshakes_of_all_hold_no_more_than_all_may() -> None:
    """As many as there are places for would take a gigabyte."""
    planes = open_planes(ServerLimits(max_held=2 * HANDSHAKE_HELD))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with trio.fail_after(PATIENCE), contextlib.ExitStack() as stack:
        async with trio.open_nursery() as nursery:
            for number in range(5):
                ours, theirs = tcp_sockets()
                visitor = Visitor(SocketStream(ours), ours)
                stack.enter_context(contextlib.closing(visitor))
                nursery.start_soon(serve_visitor, theirs, f"192.0.2.{number}", planes.proxy, tls)
                await visitor.send(b"\x16\x03")  # a handshake's first bytes
                await wait_all_tasks_blocked()
                assert planes.proxy.holdings.total <= 2 * HANDSHAKE_HELD
            assert planes.proxy.visitors == 2
            nursery.cancel_scope.cancel()
    assert planes.counters.internal_errors == planes.proxy.holdings.total == 0


@pytest.mark.parametrize("is_begun", [False, True])
async def test_cancelled_it_closes_its_connection(is_begun: bool) -> None:
    planes = open_planes()
    async with open_visitor(planes.proxy) as served:
        if is_begun:
            await served.visitor.send(STATUS)
            assert (await served.visitor.receive_response()).status == 200
        served.serving.cancel()
        await served.visitor.wait_closed()
    assert planes.counters.internal_errors == 0


@pytest.mark.parametrize(("unix", "is_believed"), [(False, False), (True, True)])
async def test_only_a_front_proxy_is_believed_how_its_visitor_came(unix: bool, is_believed: bool) -> None:
    planes = open_planes()
    planes.routes.register(make_route(host=HOST.decode(), token=TOKEN))
    link = b"GET /_conductor/auth/%b HTTP/1.1" % TOKEN
    async with open_visitor(planes.proxy, unix=unix) as served:
        await served.visitor.send(request(link, b"X-Forwarded-Proto: https\r\n", auth=b""))
        answer = await served.visitor.receive_response()
        cookies = answer.values(b"set-cookie")
        assert len(cookies) == 1 + is_believed
        assert all((b"; Secure" in cookie) is is_believed for cookie in cookies)
        assert bool(answer.values(b"strict-transport-security")) is is_believed
