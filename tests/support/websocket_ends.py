"""WebSockets through the engine with real libraries at both ends, which a test holds in its hands.

::

    application = Application("trio-websocket")
    async with open_engine(directory, application) as engine:
        visitor, app = await dial(engine, "websockets"), await application.next_end()
        await visitor.send("hello")
        assert await app.receive() == "hello"

Two libraries, ``websockets`` and ``trio-websocket``, are shown behind one face, `End`.
"""

from __future__ import annotations

import functools
import socket
import ssl
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any

import attrs
import trio
import trio_websocket
import websockets
from websockets.client import ClientProtocol
from websockets.extensions import ClientExtensionFactory, ServerExtensionFactory
from websockets.server import ServerProtocol
from websockets.trio.client import ClientConnection
from websockets.trio.connection import Connection
from websockets.trio.server import Server, ServerConnection
from websockets.typing import Subprotocol
from websockets.uri import parse_uri

from conductor_trio.net.stream import SocketStream, set_tcp_options
from tests.doubles.origin import OriginConnection
from tests.support.certificates import CertificateAuthority
from tests.support.engine import (
    HOST,
    TOKEN,
    Engine,
    Visitor,
)

#: Above the libraries' own limits, which are below what the gateway has to carry.
MAX_MESSAGE = 64 * 1024 * 1024

#: What a library says of a connection that ended without a closing handshake (RFC 6455 section 7.4.1).
ABNORMAL = 1006

Message = str | bytes
Fields = Sequence[tuple[str, str]]

TOKEN_FIELD = ("Cookie", f"theme=dark; authorization={TOKEN.decode()}")


class Closed(Exception):
    """The WebSocket is closed, and this is what its other end said."""

    def __init__(self, code: int, reason: str = "") -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason


class Refused(Exception):
    """There is no WebSocket; this was answered instead."""

    def __init__(self, status: int, body: bytes) -> None:
        super().__init__(status, body)
        self.status = status
        self.body = body


class TrioStream(trio.abc.HalfCloseableStream):
    """A `SocketStream` in the shape that the libraries want; `received` counts the bytes that came.

    `unread` was read from it before.
    """

    def __init__(self, stream: SocketStream, unread: bytes = b"") -> None:
        self.stream = stream
        self.received = 0
        self._unread = unread

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send."""
        await self.stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        """Return."""
        await trio.lowlevel.checkpoint()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """Receive."""
        data, self._unread = self._unread, b""
        data = data or await self.stream.receive_some(max_bytes or 65536)
        self.received += len(data)
        return data

    async def send_eof(self) -> None:
        """End our direction."""
        await self.stream.send_eof()

    async def aclose(self) -> None:
        """Close."""
        self.stream.close()
        await trio.lowlevel.checkpoint()

    def reset(self) -> None:
        """Break it off."""
        self.stream.reset()


class End(ABC):
    """One end of a WebSocket; `raw` is its connection."""

    def __init__(self, raw: TrioStream) -> None:
        self.raw = raw

    @property
    @abstractmethod
    def subprotocol(self) -> str | None:
        """What was agreed on."""

    @property
    @abstractmethod
    def extensions(self) -> list[str]:
        """The names of those that were agreed on."""

    @abstractmethod
    async def send(self, message: Message) -> None:
        """Send a message."""

    @abstractmethod
    async def receive(self) -> Message:
        """Return the next message; raises `Closed`."""

    @abstractmethod
    async def ping(self, payload: bytes) -> None:
        """Return once the other end has sent this payload back."""

    @abstractmethod
    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Return once both ends have said good-bye and the connection is closed."""

    async def receive_all(self) -> tuple[list[Message], Closed]:
        """Return the messages that are left, and how it was closed."""
        messages = []
        while True:
            try:
                messages.append(await self.receive())
            except Closed as closed:
                return messages, closed

    async def wait_closed(self) -> Closed:
        """Return how it was closed; fails where a message comes first."""
        messages, closed = await self.receive_all()
        assert not messages
        return closed


class WebsocketsEnd(End):
    """An end of the library ``websockets``."""

    def __init__(self, raw: TrioStream, connection: Connection) -> None:
        super().__init__(raw)
        self.connection = connection

    @property
    def subprotocol(self) -> str | None:
        return self.connection.subprotocol

    @property
    def extensions(self) -> list[str]:
        return [extension.name for extension in self.connection.protocol.extensions]

    async def send(self, message: Message | Iterable[Message]) -> None:
        """Send a message; one of several pieces goes in as many fragments."""
        await self.connection.send(message)

    async def receive(self) -> Message:
        try:
            return await self.connection.recv()
        except websockets.ConnectionClosed as error:
            said = error.rcvd
            raise (Closed(said.code, said.reason) if said else Closed(ABNORMAL)) from error

    async def ping(self, payload: bytes) -> None:
        await (await self.connection.ping(payload)).wait()

    async def close(self, code: int = 1000, reason: str = "") -> None:
        await self.connection.aclose(code, reason)


class TrioWebsocketEnd(End):
    """An end of the library ``trio-websocket``, which has no extensions and sends no fragments."""

    def __init__(self, raw: TrioStream, connection: trio_websocket.WebSocketConnection) -> None:
        super().__init__(raw)
        self.connection = connection

    @property
    def subprotocol(self) -> str | None:
        return self.connection.subprotocol

    @property
    def extensions(self) -> list[str]:
        return []

    async def send(self, message: Message) -> None:
        await self.connection.send_message(message)

    async def receive(self) -> Message:
        try:
            return await self.connection.get_message()
        except trio_websocket.ConnectionClosed as error:
            assert error.reason is not None
            if self.connection.is_client:
                await self.raw.aclose()  # which the library leaves to the garbage collector
            raise Closed(error.reason.code, error.reason.reason or "") from error

    async def ping(self, payload: bytes) -> None:
        await self.connection.ping(payload)

    async def close(self, code: int = 1000, reason: str = "") -> None:
        await self.connection.aclose(code, reason)


# The visitor's end.


@functools.cache
def _tls_contexts() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Return the gateway's context and a visitor's, who checks the certificate for `HOST`."""
    authority = CertificateAuthority()
    gateway = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue(HOST.decode()).configure(gateway)
    visitor = ssl.create_default_context()
    authority.configure_trust(visitor)
    return gateway, visitor


async def reach(engine: Engine, way: str) -> tuple[TrioStream, trio.abc.Stream]:
    """Return a visitor's connection by ``tcp``, ``tls`` or ``unix``, and what a library is to use of it."""
    if way != "tls":
        stream = engine.connect(unix=way == "unix").stream
        assert isinstance(stream, SocketStream)
        raw = TrioStream(stream)
        return raw, raw
    gateways, visitors = _tls_contexts()
    ours = socket.create_connection(engine.listener.getsockname())
    set_tcp_options(ours)
    theirs, address = engine.listener.accept()
    engine.nursery.start_soon(engine.serve_visitor, theirs, address[0], gateways)
    raw = TrioStream(SocketStream(ours))
    engine.visitors.append(Visitor(raw.stream))
    tls = trio.SSLStream(raw, visitors, server_hostname=HOST.decode(), https_compatible=True)
    await tls.do_handshake()
    return raw, tls


async def dial(engine: Engine, library: str, way: str = "tcp", **options: Any) -> End:
    """Return the visitor's end of a fresh WebSocket; options as for `shake_hands`, raises `Refused`."""
    raw, stream = await reach(engine, way)
    return await shake_hands(engine.nursery, library, raw, stream, **options)


async def shake_hands(
    nursery: trio.Nursery,
    library: str,
    raw: TrioStream,
    stream: trio.abc.Stream,
    *,
    host: str = HOST.decode(),
    fields: Fields = (TOKEN_FIELD,),
    subprotocols: Sequence[str] = (),
    extensions: Sequence[ClientExtensionFactory] = (),
) -> End:
    """Return the visitor's end of a WebSocket over this stream, whose connection is `raw`; raises `Refused`."""
    if library == "websockets":
        protocol = ClientProtocol(
            parse_uri(f"ws://{host}/ws?x=1"),
            subprotocols=[Subprotocol(name) for name in subprotocols] or None,
            extensions=extensions,
            max_size=MAX_MESSAGE,
        )
        connection = ClientConnection(nursery, stream, protocol, ping_interval=None)
        try:
            await connection.handshake(list(fields))
        except websockets.InvalidStatus as error:
            raise Refused(error.response.status_code, bytes(error.response.body)) from error
        return WebsocketsEnd(raw, connection)
    connect = functools.partial(
        trio_websocket.wrap_client_stream,
        stream=stream,  # type: ignore[arg-type]  # any stream will do
        host=host,
        resource="/ws?x=1",
        subprotocols=subprotocols,
        extra_headers=[(name.encode(), value.encode()) for name, value in fields],
        max_message_size=MAX_MESSAGE,
        receive_buffer_size=65536,
    )
    return TrioWebsocketEnd(raw, await nursery.start(_hold_trio_websocket, connect))


async def _hold_trio_websocket(
    connect: Callable[[trio.Nursery], Awaitable[trio_websocket.WebSocketConnection]],
    task_status: trio.TaskStatus[trio_websocket.WebSocketConnection],
) -> None:
    """Hold the library's tasks, one of which is what raises when there is no WebSocket."""
    refusals: list[trio_websocket.ConnectionRejected] = []
    try:
        async with trio.open_nursery() as nursery:
            task_status.started(await connect(nursery))
    except* trio_websocket.ConnectionRejected as group:
        refusals += group.exceptions  # type: ignore[arg-type]  # a nursery's group is flat
    for error in refusals:
        raise Refused(error.status_code, error.body or b"") from error


# The application's end.


@attrs.define(eq=False)
class Application:
    """An origin's handler that accepts WebSockets with a library, and hands their ends to the test.

    With `refusal` it answers with that status and body instead. `requests` are the fields that came.
    """

    library: str
    subprotocol: str | None = None
    extensions: Sequence[ServerExtensionFactory] = ()
    refusal: tuple[int, bytes] | None = None
    requests: list[Fields] = attrs.field(factory=list)
    _ends: tuple[trio.MemorySendChannel[End], trio.MemoryReceiveChannel[End]] = attrs.field(
        factory=lambda: trio.open_memory_channel[End](100)
    )

    async def next_end(self) -> End:
        """Return the next WebSocket's end here."""
        return await self._ends[1].receive()

    async def __call__(self, connection: OriginConnection) -> None:
        """Serve one connection."""
        stream = TrioStream(connection.stream, bytes(connection.unread))
        accept = self._accept_websockets if self.library == "websockets" else self._accept_trio_websocket
        async with trio.open_nursery() as nursery:
            if (end := await accept(nursery, stream)) is not None:
                self._ends[0].send_nowait(end)
            # The library's tasks are in the nursery: the connection stays for as long as the WebSocket does.

    async def _accept_websockets(self, nursery: trio.Nursery, stream: TrioStream) -> End | None:
        protocol = ServerProtocol(
            extensions=self.extensions,
            subprotocols=[Subprotocol(self.subprotocol)] if self.subprotocol else None,
            max_size=MAX_MESSAGE,
        )
        connection = ServerConnection(nursery, stream, protocol, Server([], self._never), ping_interval=None)

        def refuse(connection: ServerConnection, request: websockets.Request) -> websockets.Response | None:
            self.requests.append(list(request.headers.raw_items()))
            if self.refusal is None:
                return None
            return connection.respond(self.refusal[0], self.refusal[1].decode())

        await connection.handshake(refuse)
        if self.refusal is not None:
            await connection.aclose()
            return None
        return WebsocketsEnd(stream, connection)

    async def _never(self, stream: trio.abc.Stream) -> None:
        raise AssertionError("this server does not listen")

    async def _accept_trio_websocket(self, nursery: trio.Nursery, stream: TrioStream) -> End | None:
        request = await trio_websocket.wrap_server_stream(
            nursery, stream, max_message_size=MAX_MESSAGE, receive_buffer_size=65536
        )
        self.requests.append([(name.decode(), value.decode()) for name, value in request.headers])
        if self.refusal is not None:
            await request.reject(self.refusal[0], body=self.refusal[1])
            return None
        return TrioWebsocketEnd(stream, await request.accept(subprotocol=self.subprotocol))
