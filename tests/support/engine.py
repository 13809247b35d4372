"""The HTTP engine between a visitor and a raw application, over real sockets; and readings that are not ours.

::

    async with open_engine(directory, Application(OK)) as engine:
        visitor = engine.connect()
        await visitor.send(request())
        assert (await visitor.receive_response()).status == 200

`open_engine` checks on leaving that nothing broke inside, that everything was given back, and that no secret
reached the log. `parse_strictly` says what an application may be sent at most; what visitors get is read by h11.
"""

from __future__ import annotations

import functools
import re
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, MutableMapping
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import attrs
import h11
import structlog
import trio

from conductor_trio.http1.forwarded import Peer
from conductor_trio.limits.server import ServerLimits
from conductor_trio.net.stream import STREAM_LOST, SocketStream, set_tcp_options
from conductor_trio.server.accounts.fairness import open_payer
from conductor_trio.server.app import Planes, make_planes
from conductor_trio.server.observability.observer import Observer
from conductor_trio.server.proxy.connection import VisitorConnection
from conductor_trio.server.proxy.context import ProxyContext
from conductor_trio.server.proxy.exchange.exchange import Outcome
from conductor_trio.server.proxy.visitor import DIRECT, Way, serve_visitor
from conductor_trio.server.routing.routes import Route
from conductor_trio.server.routing.states import Cause, SessionState
from conductor_trio.server.routing.table import RouteTable
from conductor_trio.server.settings import ServerSettings
from tests.doubles.origin import Origin, OriginConnection, OriginHandler, open_origin
from tests.doubles.streams import MemoryStream, memory_stream_pair
from tests.support.routes import make_route
from tests.support.through_workers import COUNT
from tests.support.tls_visitor import Authority, TlsVisitor
from tests.support.worker_plane import WorkerPlane, open_worker_plane

TOKEN = b"correct-horse"
HOST = b"app-alice.test"
COOKIE = b"Cookie: authorization=" + TOKEN + b"\r\n"

#: What a visitor without a front proxy is said to be, for requests to HOST.
FORWARDING = (
    b"X-Forwarded-For: 127.0.0.1\r\n"
    b"X-Forwarded-Host: app-alice.test\r\n"
    b"X-Forwarded-Port: 80\r\n"
    b"X-Forwarded-Proto: http\r\n"
    b"X-Real-IP: 127.0.0.1\r\n"
    b"Forwarded: for=127.0.0.1;host=app-alice.test;proto=http\r\n"
)


def forwarding_for(host: bytes) -> bytes:
    """Return the same for requests to another host."""
    quoted = b'"%b"' % host if b":" in host else host
    port = host.partition(b":")[2] or b"80"
    told = FORWARDING.replace(HOST, host).replace(b"host=" + host, b"host=" + quoted)
    return told.replace(b"Port: 80\r\n", b"Port: " + port + b"\r\n")


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

#: With these, nobody waits long for the last words of an application that has none when its session ends.
IMPATIENT = ServerLimits(ended_session_timeout=0.1, linger_timeout=0.1)

#: Nothing here takes this long unless it hangs.
PATIENCE = 20.0


def request(
    line: bytes = b"GET / HTTP/1.1",
    fields: bytes = b"",
    body: bytes = b"",
    *,
    host: bytes = HOST,
    auth: bytes = COOKIE,
) -> bytes:
    """Write a visitor's request; `fields` are lines with their CRLF."""
    return line + b"\r\nHost: " + host + b"\r\n" + auth + fields + b"\r\n" + body


# Reading what an application is sent, strictly and independently of the code under test.


class Ambiguous(Exception):
    """Two readers could disagree on these bytes."""


class Incomplete(Exception):
    """More is to come."""


@attrs.frozen(kw_only=True)
class Message:
    """One request as an application reads it; `fields` are its lines, in order."""

    line: bytes
    fields: tuple[bytes, ...]
    body: bytes = b""
    trailers: tuple[bytes, ...] = ()

    def values(self, name: bytes) -> list[bytes]:
        """Return the values of the fields of that name, in order."""
        pairs = (line.split(b": ", 1) for line in self.fields)
        return [value for found, value in pairs if found.lower() == name.lower()]


_REQUEST_LINE = re.compile(rb"[-!#$%&'*+.^_`|~0-9A-Za-z]+ (/[!\"$-~]*|\*) HTTP/1\.1")
FIELD_LINE = re.compile(rb"[-!#$%&'*+.^_`|~0-9A-Za-z]+: ([!-~\x80-\xff]([\t -~\x80-\xff]*[!-~\x80-\xff])?)?")
_ONCE = (b"host", b"content-length", b"transfer-encoding", b"connection", b"te", b"x-forwarded-for", b"forwarded")


def take_lines(data: bytes) -> tuple[list[bytes], bytes]:
    """Return the lines up to an empty one, and what follows it."""
    if b"\r\n\r\n" not in data:
        raise Incomplete
    block, _, rest = data.partition(b"\r\n\r\n")
    lines = block.split(b"\r\n")
    if any(b"\r" in line or b"\n" in line or b"\0" in line for line in lines):
        raise Ambiguous("a bare CR, LF or NUL")
    return lines, rest


def take_chunks(data: bytes) -> tuple[bytes, tuple[bytes, ...], bytes]:
    """Return a chunked body, its trailer lines, and what follows."""
    body = b""
    while True:
        size_line, found, rest = data.partition(b"\r\n")
        if not found:
            raise Incomplete
        if not re.fullmatch(rb"[0-9a-f]{1,8}", size_line):
            raise Ambiguous(f"chunk size {size_line!r}")
        size = int(size_line, 16)
        if size == 0:
            break
        if len(rest) < size + 2:
            raise Incomplete
        if rest[size : size + 2] != b"\r\n":
            raise Ambiguous("a chunk's end")
        body, data = body + rest[:size], rest[size + 2 :]
    if rest.startswith(b"\r\n"):
        return body, (), rest[2:]
    trailers, rest = take_lines(rest)
    if not all(FIELD_LINE.fullmatch(line) for line in trailers):
        raise Ambiguous("a trailer")
    return body, tuple(trailers), rest


def take_message(data: bytes) -> tuple[Message, bytes]:
    """Return the one message at the beginning of `data` and what follows it; raises unless it is beyond doubt."""
    (line, *fields), rest = take_lines(data)
    if not _REQUEST_LINE.fullmatch(line):
        raise Ambiguous(f"request line {line!r}")
    for field in fields:
        if not FIELD_LINE.fullmatch(field):
            raise Ambiguous(f"field line {field!r}")
    message = Message(line=line, fields=tuple(fields))
    for name in _ONCE:
        if len(message.values(name)) > 1:
            raise Ambiguous(f"several {name!r}")
    names = [field.partition(b":")[0].lower().replace(b"_", b"-") for field in fields]
    for name in (b"content-length", b"transfer-encoding", b"host", b"x-forwarded-for", b"x-real-ip"):
        if names.count(name) != len(message.values(name)):
            raise Ambiguous(f"another spelling of {name!r}")
    if len(message.values(b"host")) != 1:
        raise Ambiguous("no Host")
    lengths, codings = message.values(b"content-length"), message.values(b"transfer-encoding")
    if lengths and codings:
        raise Ambiguous("Content-Length with Transfer-Encoding")
    if codings:
        if codings != [b"chunked"]:
            raise Ambiguous(f"Transfer-Encoding {codings!r}")
        body, trailers, rest = take_chunks(rest)
        return attrs.evolve(message, body=body, trailers=trailers), rest
    if lengths:
        if not re.fullmatch(rb"0|[1-9][0-9]*", lengths[0]):
            raise Ambiguous(f"Content-Length {lengths[0]!r}")
        size = int(lengths[0])
        if len(rest) < size:
            raise Incomplete
        return attrs.evolve(message, body=rest[:size]), rest[size:]
    return message, rest


def parse_strictly(data: bytes) -> list[Message]:
    """Return all messages in `data`, which must hold nothing else."""
    messages = []
    while data:
        message, data = take_message(data)
        messages.append(message)
    return messages


@attrs.define(eq=False)
class Application:
    """An origin's handler: reads whole messages, remembers them, and gives each the same answer.

    It closes after an answer where `keeps` is false, and where it cannot read a message for sure.
    """

    answer: bytes = OK
    keeps: bool = True
    messages: list[Message] = attrs.field(factory=list)

    async def __call__(self, connection: OriginConnection) -> None:
        """Serve one connection."""
        while True:
            try:
                message, _ = take_message(bytes(connection.unread))
            except Incomplete:
                if not await connection.receive_more():
                    return
                continue
            except Ambiguous:
                await connection.send_all(self.answer)
                return
            _, rest = take_message(bytes(connection.unread))
            connection.unread[:] = rest
            self.messages.append(message)
            await connection.send_all(self.answer)
            if not self.keeps:
                return


# Reading what a visitor is sent, with h11.


class Truncated(Exception):
    """The response was cut short, and shows it; `body` is what came of it."""

    def __init__(self, body: bytes) -> None:
        super().__init__(body)
        self.body = body


@attrs.frozen(kw_only=True)
class Response:
    """One response as a visitor reads it; `raw` are its bytes, interim responses included."""

    status: int
    reason: bytes
    fields: tuple[tuple[bytes, bytes], ...]
    body: bytes = b""
    trailers: tuple[tuple[bytes, bytes], ...] = ()
    interim: tuple[Response, ...] = ()
    raw: bytes = b""

    def values(self, name: bytes) -> list[bytes]:
        """Return the values of the fields of that name, in order."""
        return [value for found, value in self.fields if found.lower() == name.lower()]

    @property
    def framing(self) -> str:
        """How its end is told, as far as its fields say."""
        if self.values(b"transfer-encoding"):
            return "chunked"
        return "length" if self.values(b"content-length") else "none"


def _response_of(event: h11.InformationalResponse | h11.Response) -> Response:
    return Response(status=event.status_code, reason=bytes(event.reason), fields=tuple(event.headers.raw_items()))


@attrs.define(eq=False)
class Visitor:
    """The far end of a visitor's connection, or of the next one after an answer that was the last, as browsers do.

    So through a worker only: there an answer of the control process's is the last where another would be none.
    """

    stream: SocketStream | MemoryStream | TlsVisitor
    sock: socket.socket | None = None  # that of the stream, if it is of the kernel
    unread: bytes = b""
    connect_again: Callable[[], tuple[SocketStream | MemoryStream | TlsVisitor, socket.socket | None]] | None = (
        None
    )
    _was_last: bool = attrs.field(default=False, init=False)

    async def send(self, data: bytes) -> None:
        """Send these bytes as they are."""
        if self._was_last and self.connect_again is not None and b" HTTP/1." in data:
            self._was_last = False
            self.close()
            self.stream, self.sock = self.connect_again()
        await self.stream.send_all(data)

    def send_at_once(self, data: bytes) -> None:
        """Send over a socket without letting other tasks run."""
        assert self.sock is not None
        assert self.sock.send(data) == len(data)

    async def send_eof(self) -> None:
        """End the visitor's direction only."""
        await self.stream.send_eof()

    async def receive_response(self, method: bytes = b"GET", *, upgrade: bool = False) -> Response:
        """Return the next response, read by h11; raises `Truncated` for one that is cut short."""
        parser = h11.Connection(h11.CLIENT, max_incomplete_event_size=1 << 20)
        asked = [("Host", "x"), *([("Connection", "upgrade"), ("Upgrade", "x")] if upgrade else [])]
        parser.send(h11.Request(method=method, target="/", headers=asked))
        parser.send(h11.EndOfMessage())
        if self.unread:
            parser.receive_data(self.unread)
        interim: list[Response] = []
        response: Response | None = None
        body, raw = b"", self.unread
        while True:
            try:
                event = parser.next_event()
                if event is h11.NEED_DATA:
                    data = await self.stream.receive_some(65536)
                    parser.receive_data(data)
                    raw += data
                    continue
            except (h11.RemoteProtocolError, trio.BrokenResourceError) as error:
                if isinstance(error, h11.RemoteProtocolError) and "peer closed" not in str(error):
                    raise
                raise Truncated(body) from error
            match event:
                case h11.InformationalResponse(status_code=101):
                    self.unread = parser.trailing_data[0]
                    return attrs.evolve(_response_of(event), interim=tuple(interim))
                case h11.InformationalResponse():
                    interim.append(_response_of(event))
                case h11.Response():
                    response = _response_of(event)
                case h11.Data():
                    body += event.data
                case h11.EndOfMessage():
                    assert response is not None
                    self.unread = parser.trailing_data[0]
                    self._was_last = b"close" in response.values(b"connection")
                    return attrs.evolve(
                        response,
                        body=body,
                        trailers=tuple(event.headers.raw_items()),
                        interim=tuple(interim),
                        raw=raw.removesuffix(self.unread),
                    )
                case _:
                    raise Truncated(body)

    async def receive_exactly(self, count: int) -> bytes:
        """Return that many raw bytes, or fewer where the connection ends first."""
        while len(self.unread) < count and (data := await self.stream.receive_some(65536)):
            self.unread += data
        taken, self.unread = self.unread[:count], self.unread[count:]
        return taken

    async def receive_until(self, mark: bytes) -> bytes:
        """Return raw bytes up to the mark and with it; fewer where the connection ends first."""
        while mark not in self.unread and (data := await self.stream.receive_some(65536)):
            self.unread += data
        before, found, self.unread = self.unread.partition(mark)
        return before + found

    async def receive_to_end(self) -> bytes:
        """Return raw bytes until the connection ends; a reset raises `trio.BrokenResourceError`."""
        while data := await self.stream.receive_some(65536):
            self.unread += data
        taken, self.unread = self.unread, b""
        return taken

    async def wait_closed(self) -> None:
        """Return once the connection has ended, well or by a reset; fails where something comes first."""
        try:
            left = await self.receive_to_end()
        except trio.BrokenResourceError:
            return
        assert left == b"", f"expected the connection's end, got {left!r}"

    def close(self) -> None:
        """Close both directions."""
        self.stream.close()

    def reset(self) -> None:
        """Break the connection off."""
        self.stream.reset()


@attrs.define(eq=False)
class Engine:
    """A gateway with one route, `HOST`, to an origin."""

    planes: Planes
    route_id: str
    origin: Origin
    nursery: trio.Nursery
    listener: socket.socket
    visitors: list[Visitor] = attrs.field(factory=list)
    worker: WorkerPlane | None = None  #: that visitors come to

    @property
    def context(self) -> ProxyContext:
        """The data plane's to which visitors come."""
        return self.control if self.worker is None else self.worker.proxy

    @property
    def control(self) -> ProxyContext:
        """The data plane's of who has the sessions."""
        return self.planes.proxy

    def begin_drain(self) -> None:
        """Have all of them end soon."""
        self.control.begin_drain()
        if self.worker is not None:
            self.worker.proxy.begin_drain()

    async def wait_known(self) -> None:
        """Return once those to whom visitors come know what is so."""
        if self.worker is not None:
            await self.worker.wait_known()

    async def wait_told(self) -> None:
        """Return once who has the sessions knows what was done for visitors."""
        if self.worker is not None:
            await self.worker.wait_told()

    @property
    def routes(self) -> RouteTable:
        """The route table."""
        return self.planes.routes

    @property
    def route(self) -> Route:
        """The one route, as it is now."""
        route = self.routes.get(self.route_id)
        assert route is not None
        return route

    def let_in(self) -> list[str]:
        """Return for each exchange and tunnel of the one route whom it was let in for."""
        return list(self.context.ledger.session(self.route_id, None).connections.values())

    def end_session(self) -> None:
        """End the one session, as if its client had left."""
        self.routes.change(self.route_id, Cause.LEFT)

    def connect(
        self, *, unix: bool = False, send_buffer: int | None = None, authority: Authority | None = None
    ) -> Visitor:
        """Return a visitor's connection, over TCP, or over a UNIX socket, whose peers are trusted.

        `send_buffer` is about what the gateway's kernel holds for it; with an `authority` it is by TLS.
        """
        stream, sock = self._connect(unix, send_buffer, authority)
        again = functools.partial(self._connect, unix, send_buffer, authority)
        return self._visitor(Visitor(stream, sock, connect_again=None if self.worker is None else again))

    def _connect(
        self, unix: bool, send_buffer: int | None, authority: Authority | None
    ) -> tuple[SocketStream | TlsVisitor, socket.socket]:
        if unix:
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
            source = ""
        else:
            ours = socket.create_connection(self.listener.getsockname())
            set_tcp_options(ours)
            theirs, (source, _) = self.listener.accept()
        if send_buffer is not None:
            theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer)
        tls = authority.server if authority else None
        self.nursery.start_soon(self.serve_visitor, theirs, source, tls)
        stream = SocketStream(ours)
        return authority.visitor(stream) if authority else stream, ours

    def connect_memory(self, *, capacity: float = float("inf")) -> Visitor:
        """Return a visitor's connection without a kernel, whose reads are as large as what was sent."""

        def connect() -> tuple[MemoryStream, None]:
            return self._connect_memory(capacity), None

        again = None if self.worker is None else connect
        return self._visitor(Visitor(self._connect_memory(capacity), connect_again=again))

    def _connect_memory(self, capacity: float) -> MemoryStream:
        ours, theirs = memory_stream_pair(capacity=capacity)

        async def serve() -> None:
            peer = Peer(address="127.0.0.1", is_https=False, is_trusted=False)
            payer = open_payer(self.context.ledger.visitor("127.0.0.1"))
            make = VisitorConnection if self.worker is None else self.worker.make_connection
            try:
                if await make(theirs, peer, self.context, payer, None).run() is Outcome.ABORT:
                    theirs.reset()
            except STREAM_LOST:
                pass
            finally:
                theirs.close()

        self.nursery.start_soon(serve)
        return ours

    def _visitor(self, visitor: Visitor) -> Visitor:
        self.visitors.append(visitor)
        return visitor

    async def serve_visitor(self, sock: socket.socket, address: str, tls: ssl.SSLContext | None = None) -> None:
        """Serve a visitor's connection that comes from that address."""
        way = DIRECT if self.worker is None else Way(make_connection=self.worker.make_connection)
        await serve_visitor(sock, address, self.context, tls, way)

    @contextmanager
    def another_route(
        self,
        host: str,
        path: str,
        token: bytes,
        *,
        user: str = "bob",
        is_resumable: bool = False,
        cause: Cause | None = None,
        state: SessionState | None = None,
    ) -> Iterator[Route]:
        """Hold another user's session while the block runs; then its client has left, or lost its link."""
        route = self.routes.register(
            make_route(
                host=host,
                user=user,
                key=host.partition("-")[0],
                token=token,
                state=state,
                relay_path=path,
                is_resumable=is_resumable,
            )
        )
        try:
            yield route
        finally:
            self.routes.change(route.id, cause or (Cause.LINK_LOST if is_resumable else Cause.LEFT))


def make_log(entries: list[Mapping[str, Any]]) -> Any:
    """Return a log that keeps what it is told, in order."""

    def keep(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        entries.append(dict(event))
        raise structlog.DropEvent

    return structlog.wrap_logger(
        None,
        processors=[structlog.processors.format_exc_info, keep],
        wrapper_class=structlog.make_filtering_bound_logger(0),
    )


#: Whether visitors come to a worker, in tests that are about what they see.
THROUGH_WORKER: ContextVar[bool] = ContextVar("THROUGH_WORKER", default=COUNT > 0)


@asynccontextmanager
async def _open_worker(
    planes: Planes, directory: Path, observer: Observer | None
) -> AsyncIterator[WorkerPlane | None]:
    if not THROUGH_WORKER.get():
        yield None
        return
    async with open_worker_plane(planes, directory, observer) as worker:
        yield worker
    proxy = worker.proxy
    assert proxy.counters.internal_errors == proxy.exchanges == proxy.activity.tunnels == proxy.visitors == 0
    assert proxy.holdings.total == len(proxy.runtimes) == len(proxy.ledger) == 0


@asynccontextmanager
async def open_engine(
    directory: Path,
    handler: OriginHandler,
    *,
    limits: ServerLimits | None = None,
    patience: float = PATIENCE,
    is_resumable: bool = False,
    observer: Observer | None = None,
    **settings: Any,
) -> AsyncIterator[Engine]:
    """Run the engine in front of `handler` while the block runs, and check afterwards that all is well.

    The session's client can come back, and so leave, where `is_resumable` says so.
    """
    limits = limits or ServerLimits()
    workers = 2 if THROUGH_WORKER.get() else 1  # of which one serves
    server = ServerSettings(
        runtime_dir=str(directory), patterns=("{key}-{user}.test",), limits=limits, workers=workers, **settings
    )
    entries: list[Mapping[str, Any]] = []
    planes = make_planes(server, make_log(entries), observer)
    path = directory / "app"
    route = planes.routes.register(
        make_route(host=HOST.decode(), token=TOKEN, relay_path=str(path), is_resumable=is_resumable)
    )
    visitors: list[Visitor] = []
    try:
        async with open_origin(path, handler) as origin, trio.open_nursery() as background:
            background.start_soon(planes.proxy.run)
            background.start_soon(planes.sessions.run)
            with trio.fail_after(patience), socket.create_server(("127.0.0.1", 0)) as listener:  # noqa: ASYNC100
                set_tcp_options(listener)
                async with _open_worker(planes, directory, observer) as worker, trio.open_nursery() as nursery:
                    engine = Engine(planes, route.id, origin, nursery, listener, visitors, worker)
                    yield engine
                    for left in planes.routes.attached():
                        planes.routes.change(left.id, Cause.LEFT)
                    for visitor in visitors:
                        visitor.close()
                    engine.begin_drain()
            background.cancel_scope.cancel()
    finally:
        for visitor in visitors:
            visitor.close()
    broken = [entry for entry in entries if entry["event"] == "visitor_failed"]
    assert planes.counters.internal_errors == 0, broken[0]["exception"]
    assert planes.proxy.exchanges == planes.proxy.activity.tunnels == 0
    assert planes.proxy.visitors == planes.proxy.places.leaving == planes.proxy.activity.turned_away == 0
    assert planes.proxy.holdings.total == 0
    assert len(planes.proxy.runtimes) == len(planes.ledger) == 0
    assert TOKEN.decode() not in repr(entries)
