"""Peers that stall have the gateway keep next to nothing, what it keeps is charged to them, and it is bounded."""

from __future__ import annotations

import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import pytest
import trio
import trio.lowlevel
from trio.testing import wait_all_tasks_blocked

from conductor_trio.limits.constants import HEAD_COPIES
from conductor_trio.limits.server import ServerLimits
from tests.doubles.origin import OriginConnection
from tests.support.certificates import CertificateAuthority
from tests.support.engine import COOKIE, HOST, IMPATIENT, Application, Engine, Visitor, open_engine, request

LIMITS = ServerLimits()
PIECE = bytes(256 * 1024)
#: Long enough for the loop to have come to rest with real sockets.
REST = 0.05
#: What a connection that stalls may have in memory: what the room of its sink was misjudged by, and a piece.
LITTLE = 32 * 1024

UPGRADE = b"Connection: upgrade\r\nUpgrade: websocket\r\n"
SWITCHED = b"HTTP/1.1 101 Switching Protocols\r\n" + UPGRADE + b"\r\n"
HEADS = {
    "length": b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n",
    "chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    "close": b"HTTP/1.1 200 OK\r\n\r\n",
    "tunnel": SWITCHED,
}


@attrs.define(eq=False)
class Flood:
    """An application that answers without end; `sent` is what its kernel has taken."""

    kind: str
    sent: int = 0

    async def __call__(self, connection: OriginConnection) -> None:
        """Serve one connection."""
        await connection.receive_head()
        await connection.send_all(HEADS[self.kind])
        piece = b"%x\r\n%b\r\n" % (len(PIECE), PIECE) if self.kind == "chunked" else PIECE
        while True:
            try:
                await trio.lowlevel.wait_writable(connection.sock)
                self.sent += connection.sock.send(piece[self.sent % len(piece) :])
            except (BrokenPipeError, ConnectionResetError):
                return
            except BlockingIOError:
                continue


async def rest() -> None:
    await wait_all_tasks_blocked(REST)


@pytest.fixture(scope="module")
def tls() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Give a server's context and one that trusts it."""
    authority = CertificateAuthority()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue(HOST.decode()).configure(server)
    client = ssl.create_default_context()
    authority.configure_trust(client)
    return server, client


@asynccontextmanager
async def connect(
    engine: Engine, context: ssl.SSLContext | None, trusting: ssl.SSLContext
) -> AsyncIterator[trio.abc.Stream]:
    """Give a visitor's stream, by TLS where there is a context."""
    ours = socket.create_connection(engine.listener.getsockname())
    theirs, address = engine.listener.accept()
    engine.nursery.start_soon(engine.serve_visitor, theirs, address[0], context)
    stream = trio.SocketStream(trio.socket.from_stdlib_socket(ours))
    try:
        if context is None:
            yield stream
        else:
            yield trio.SSLStream(stream, trusting, server_hostname=HOST.decode(), https_compatible=True)
    finally:
        await trio.aclose_forcefully(stream)


@pytest.mark.parametrize("has_tls", [False, True])
@pytest.mark.parametrize("kind", HEADS)
async def test_of_a_download_that_stalls_nothing_is_kept(
    short_tmp: Path, kind: str, has_tls: bool, tls: tuple[ssl.SSLContext, ssl.SSLContext]
) -> None:
    flood = Flood(kind)
    async with (
        open_engine(short_tmp, flood) as engine,
        connect(engine, tls[0] if has_tls else None, tls[1]) as visitor,
    ):
        fields = UPGRADE if kind == "tunnel" else b""
        await visitor.send_all(request(fields=fields))
        await rest()
        before = flood.sent
        await rest()
        assert flood.sent == before  # the application waits, too
        assert engine.context.holdings.total <= LITTLE + HEAD_COPIES * 1024
        received = 0
        while received < 8 * len(PIECE):  # and it goes on
            received += len(await visitor.receive_some(65536))


@pytest.mark.parametrize("has_tls", [False, True])
@pytest.mark.parametrize("framing", ["length", "chunked", "tunnel"])
async def test_of_an_upload_that_stalls_nothing_is_kept(
    short_tmp: Path, framing: str, has_tls: bool, tls: tuple[ssl.SSLContext, ssl.SSLContext]
) -> None:
    async def stall(connection: OriginConnection) -> None:
        await connection.receive_head()
        if framing == "tunnel":
            await connection.send_all(SWITCHED)
        await trio.sleep_forever()

    heads = {
        "length": request(b"POST / HTTP/1.1", b"Content-Length: 1000000000\r\n"),
        "chunked": request(b"POST / HTTP/1.1", b"Transfer-Encoding: chunked\r\n"),
        "tunnel": request(fields=UPGRADE),
    }
    async with (
        open_engine(short_tmp, stall, limits=IMPATIENT) as engine,
        connect(engine, tls[0] if has_tls else None, tls[1]) as visitor,
        trio.open_nursery() as nursery,
    ):
        await visitor.send_all(heads[framing])
        if framing == "tunnel":
            assert b" 101 " in await visitor.receive_some(4096)
        sent = 0

        async def send() -> None:
            nonlocal sent
            while True:
                await visitor.send_all(b"%x\r\n%b\r\n" % (len(PIECE), PIECE) if framing == "chunked" else PIECE)
                sent += 1

        nursery.start_soon(send)
        await rest()
        before = sent
        await rest()
        assert sent == before  # the visitor waits, too
        assert engine.context.exchanges + engine.context.activity.tunnels == 1
        assert engine.context.holdings.total <= LITTLE + HEAD_COPIES * 1024 + LIMITS.head_read_size
        nursery.cancel_scope.cancel()
        engine.end_session()


async def test_a_visitor_who_pipelines_is_read_no_further_than_wanted(short_tmp: Path) -> None:
    async def slow(connection: OriginConnection) -> None:
        while await connection.receive_head():
            await trio.sleep(3 * LIMITS.watch_delay)
            await connection.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    async with open_engine(short_tmp, slow) as engine:
        visitor = engine.connect()
        sock = visitor.sock
        assert sock is not None
        sock.setblocking(False)
        taken, most = 0, 0
        for _ in range(10):
            try:
                while True:
                    taken += sock.send(request() * 100)
            except BlockingIOError:
                pass
            assert (await visitor.receive_response()).status == 200
            most = max(most, engine.context.holdings.total)
        most_held = HEAD_COPIES * 1024 + LIMITS.head_read_size + LIMITS.watch_read_size
        assert 0 < most <= most_held
        visitor.reset()


async def hold_heads(engine: Engine, count: int, size: int) -> list[Visitor]:
    """Begin so many heads of that size, and never end them."""
    visitors = [engine.connect() for _ in range(count)]
    for visitor in visitors:
        await visitor.send(b"GET / HTTP/1.1\r\nA: " + b"a" * (size - 19))
    await rest()
    return visitors


async def test_heads_that_never_end_are_charged_to_their_address(short_tmp: Path) -> None:
    async with open_engine(short_tmp, Application()) as engine:
        await hold_heads(engine, 3, 10_000)
        assert engine.context.holdings.total == 3 * HEAD_COPIES * 10_000


async def test_an_address_that_holds_too_much_loses_a_connection_and_others_go_on(short_tmp: Path) -> None:
    limits = ServerLimits(max_account_held=HEAD_COPIES * 25_000)
    async with open_engine(short_tmp, Application(), limits=limits) as engine:
        quiet = engine.connect()
        visitors = await hold_heads(engine, 2, 10_000)
        assert engine.context.holdings.closed == 0
        await hold_heads(engine, 1, 15_000)
        assert engine.context.holdings.closed == 1
        assert engine.context.holdings.total == 2 * HEAD_COPIES * 10_000
        for visitor in visitors:
            await visitor.send(b"\r\nHost: " + HOST + b"\r\n" + COOKIE + b"\r\n")
            assert (await visitor.receive_response()).status == 200
        await quiet.send(request())
        assert (await quiet.receive_response()).status == 200


async def test_requests_under_way_are_charged_to_the_session_s_user(short_tmp: Path) -> None:
    limits = ServerLimits(max_account_held=100_000)

    async def stall(connection: OriginConnection) -> None:
        await connection.receive_head()
        await trio.sleep_forever()

    async with open_engine(short_tmp, stall, limits=limits) as engine:
        visitors = [engine.connect() for _ in range(3)]
        for visitor in visitors:
            await visitor.send(request(fields=b"A: " + b"a" * 12_000 + b"\r\n"))
        holdings = engine.context.holdings
        with trio.fail_after(5):
            while holdings.closed < 1:  # noqa: ASYNC110
                await trio.sleep(0.01)
        await rest()
        user = engine.route.user
        assert holdings.size_of(("user", user)) == holdings.total <= limits.max_account_held
        engine.end_session()


async def test_an_answer_that_is_not_read_is_charged_until_the_visitor_is_gone(short_tmp: Path) -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n" + bytes(60_000)
    async with open_engine(short_tmp, Application(answer)) as engine:
        visitor = engine.connect(send_buffer=4096)
        await visitor.send(request() * 200)
        await rest()
        assert engine.context.holdings.total <= 2 * LIMITS.read_size + LITTLE
        visitor.reset()
        await rest()
        assert engine.context.holdings.total == 0


async def test_what_comes_early_in_a_tunnel_is_not_kept_for_its_life(short_tmp: Path) -> None:
    got = trio.Event()

    async def echo(connection: OriginConnection) -> None:
        await connection.receive_head()
        await connection.send_all(SWITCHED)
        await connection.receive_exactly(10_000)
        got.set()
        await trio.sleep_forever()

    async with open_engine(short_tmp, echo) as engine:
        visitor = engine.connect()
        await visitor.send(request(fields=UPGRADE) + bytes(10_000))
        await got.wait()
        await rest()
        assert engine.context.holdings.total == 0
        engine.end_session()


@pytest.mark.parametrize("what", ["head", "trailer"])
async def test_what_an_application_does_not_end_is_charged_to_its_user(short_tmp: Path, what: str) -> None:
    limits = ServerLimits(max_account_held=25_000)
    beginnings = {
        "head": b"HTTP/1.1 200 OK\r\nA: " + b"a" * 10_000,
        "trailer": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: " + b"a" * 10_000,
    }

    async def begin(connection: OriginConnection) -> None:
        await connection.receive_head()
        await connection.send_all(beginnings[what])
        await connection.receive_to_end()

    async with open_engine(short_tmp, begin, limits=limits) as engine:
        holdings = engine.context.holdings
        for count in (1, 2):
            await engine.connect().send(request())
            await rest()
            assert holdings.size_of(("user", engine.route.user)) >= count * 10_000
        await engine.connect().send(request())
        with trio.fail_after(10):
            while not holdings.closed:  # noqa: ASYNC110
                await trio.sleep(0.01)
        await rest()
        assert holdings.total <= limits.max_account_held
        engine.end_session()


async def test_a_trailer_that_a_visitor_does_not_end_is_charged_to_the_session_s_user(short_tmp: Path) -> None:
    async def take(connection: OriginConnection) -> None:
        await connection.receive_to_end()

    async with open_engine(short_tmp, take) as engine:
        visitor = engine.connect()
        await visitor.send(request(b"POST / HTTP/1.1", b"Transfer-Encoding: chunked\r\n"))
        await engine.origin.wait_connections(1)
        await rest()
        before = engine.context.holdings.total
        await visitor.send(b"0\r\nA: " + b"a" * 10_000)
        await rest()
        assert engine.context.holdings.total >= before + 10_000
        visitor.reset()
