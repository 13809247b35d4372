"""A small web application that shows that it is alive: ``demo_app.py SOCKET``.

It listens on a UNIX socket that only its owner may open, and knows nothing of the gateway in front of it.

====================  =====================================================================
``GET /``             the page, `demo_page.html`
``GET /ws``           a WebSocket: a tick each second, and every message sent back
``GET /events``       server-sent events: one each second
``POST /upload``      the body's size and SHA-256; the body is hashed as it comes, never held
``GET /headers``      the request's header fields as they arrive here
====================  =====================================================================
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import json
import signal
import sys
import traceback
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from pathlib import Path

import attrs
import h11
import trio
from trio_websocket import ConnectionClosed, HandshakeError, WebSocketConnection, wrap_server_stream

from conductor_trio.errors import StartError
from conductor_trio.net.listeners import open_unix_listener
from conductor_trio.pages.house import House
from conductor_trio.pages.style import make_tokens

PAGE = Path(__file__).with_name("demo_page.html")
INTERVAL = 1.0
IDLE_TIMEOUT = 300.0  # a kept connection that asks for nothing; longer than any proxy keeps one
HANDSHAKE_TIMEOUT = 10.0
READ_SIZE = 65536
MAX_MESSAGE = 65536

# How a peer's end, or its nonsense, shows; neither concerns anybody else.
PEER_ERRORS = (
    trio.BrokenResourceError,
    trio.ClosedResourceError,
    trio.TooSlowError,
    ConnectionClosed,
    HandshakeError,
    h11.RemoteProtocolError,
)


@attrs.define
class Counters:
    """What the event stream tells of the application."""

    started: float
    requests: int = 0
    connections: int = 0


class ReplayedStream(trio.abc.Stream):
    """A stream with some bytes put back in front of it."""

    def __init__(self, already_read: bytes, stream: trio.abc.Stream) -> None:
        self._already_read = already_read
        self._stream = stream

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        """Return what was put back, then what comes."""
        if not self._already_read:
            return await self._stream.receive_some(max_bytes)
        await trio.lowlevel.checkpoint()
        size = len(self._already_read) if max_bytes is None else max_bytes
        chunk, self._already_read = self._already_read[:size], self._already_read[size:]
        return chunk

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send to the stream."""
        await self._stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        """Wait for the stream."""
        await self._stream.wait_send_all_might_not_block()

    async def aclose(self) -> None:
        """Close the stream."""
        await self._stream.aclose()


class Exchange:
    """One connection: each request in turn, its body as it comes, and the answers."""

    def __init__(self, stream: trio.abc.Stream, counters: Counters) -> None:
        self.stream = stream
        self.counters = counters
        self.replay = b""  # the bytes of the request in work, for whoever has to read it again
        self._http = h11.Connection(h11.SERVER)

    async def next_event(self) -> h11.Event | type[h11.PAUSED]:
        """Wait for the next part of the request."""
        while (event := self._http.next_event()) is h11.NEED_DATA:
            if self._http.they_are_waiting_for_100_continue:
                await self.send(h11.InformationalResponse(status_code=100, headers=[]))
            data = bytes(await self.stream.receive_some(READ_SIZE))
            if self._http.their_state is h11.IDLE:
                self.replay += data
            self._http.receive_data(data)
        assert not isinstance(event, type) or event is h11.PAUSED
        return event

    async def next_request(self) -> h11.Request | None:
        """Wait for the next request; None once there will be none."""
        if self._http.our_state is h11.DONE and self._http.their_state is h11.DONE:
            self._http.start_next_cycle()
        elif self._http.our_state is not h11.IDLE:
            return None
        self.replay = self._http.trailing_data[0]
        with trio.move_on_after(IDLE_TIMEOUT):
            event = await self.next_event()
            if isinstance(event, h11.Request):
                self.counters.requests += 1
                return event
        return None

    async def send(self, event: h11.Event) -> None:
        """Send a part of the answer."""
        if data := self._http.send(event):
            await self.stream.send_all(data)

    async def answer(self, status: int, kind: str, body: bytes, *, head_only: bool = False) -> None:
        """Send a whole answer; the connection goes on only if the request was read to its end."""
        headers = [("Content-Type", kind), ("Content-Length", str(len(body))), ("Cache-Control", "no-store")]
        if self._http.their_state is not h11.DONE:
            headers.append(("Connection", "close"))
        reason = HTTPStatus(status).phrase
        await self.send(h11.Response(status_code=status, headers=headers, reason=reason))
        if not head_only:
            await self.send(h11.Data(data=body))
        await self.send(h11.EndOfMessage())

    async def refuse(self, error: h11.RemoteProtocolError) -> None:
        """Say what is wrong with the request, if it is not too late for an answer."""
        if self._http.our_state in {h11.IDLE, h11.SEND_RESPONSE}:
            await self.answer(error.error_status_hint, "text/plain", f"{error}\n".encode())


async def show_page(exchange: Exchange, request: h11.Request) -> None:
    """Answer with the page, in the colours of the gateway's own."""
    text = await trio.Path(PAGE).read_text()
    body = text.replace("/* tokens */", make_tokens()).replace("{icon}", House().icon).encode()
    await exchange.answer(200, "text/html; charset=utf-8", body, head_only=request.method == b"HEAD")


async def show_headers(exchange: Exchange, request: h11.Request) -> None:
    """Answer with the header fields of the request, in their order and spelling."""
    fields = [[name.decode("latin-1"), value.decode("latin-1")] for name, value in request.headers.raw_items()]
    await exchange.answer(200, "application/json", json.dumps(fields).encode())


async def take_upload(exchange: Exchange, request: h11.Request) -> None:
    """Answer with the size and the hash of the body."""
    digest = hashlib.sha256()
    size = 0
    while isinstance(event := await exchange.next_event(), h11.Data):
        digest.update(event.data)
        size += len(event.data)
    answer = {"size": size, "sha256": digest.hexdigest()}
    await exchange.answer(200, "application/json", json.dumps(answer).encode())


async def stream_events(exchange: Exchange, request: h11.Request) -> None:
    """Send an event each second until the visitor goes."""
    headers = [("Content-Type", "text/event-stream"), ("Cache-Control", "no-store")]
    await exchange.send(h11.Response(status_code=200, headers=headers, reason="OK"))
    async with trio.open_nursery() as nursery:

        async def watch_for_end() -> None:
            while await exchange.stream.receive_some(READ_SIZE):
                pass
            nursery.cancel_scope.cancel()

        nursery.start_soon(watch_for_end)
        for count in itertools.count(1):
            counters = exchange.counters
            event = {
                "count": count,
                "uptime": round(trio.current_time() - counters.started),
                "requests": counters.requests,
                "connections": counters.connections,
            }
            await exchange.send(h11.Data(data=b"data: %s\n\n" % json.dumps(event).encode()))
            await trio.sleep(INTERVAL)


async def run_ticker(exchange: Exchange, request: h11.Request) -> None:
    """Tick each second over a WebSocket, and send back what comes, until the visitor goes."""
    if (b"upgrade", b"websocket") not in [(name, value.lower()) for name, value in request.headers]:
        await exchange.answer(426, "text/plain", b"This is a WebSocket.\n")
        return
    stream = ReplayedStream(exchange.replay, exchange.stream)
    async with trio.open_nursery() as nursery:
        with trio.fail_after(HANDSHAKE_TIMEOUT):
            handshake = await wrap_server_stream(nursery, stream, max_message_size=MAX_MESSAGE)
            socket = await handshake.accept()
        async with socket:
            nursery.start_soon(send_ticks, socket)
            while True:
                await socket.send_message(await socket.get_message())


async def send_ticks(socket: WebSocketConnection) -> None:
    """Send 1, 2, 3, …, one each second."""
    for tick in itertools.count(1):
        await socket.send_message(json.dumps({"tick": tick}))
        await trio.sleep(INTERVAL)


Handler = Callable[[Exchange, h11.Request], Awaitable[None]]

ROUTES: dict[str, tuple[str, Handler]] = {
    "/": ("GET, HEAD", show_page),
    "/ws": ("GET", run_ticker),
    "/events": ("GET", stream_events),
    "/upload": ("POST", take_upload),
    "/headers": ("GET", show_headers),
}


async def serve_requests(exchange: Exchange) -> None:
    """Answer one request after the other until the connection is done."""
    while (request := await exchange.next_request()) is not None:
        path = request.target.decode("ascii").partition("?")[0]
        if path not in ROUTES:
            await exchange.answer(404, "text/plain", b"There is nothing here.\n")
            continue
        methods, handler = ROUTES[path]
        if request.method.decode("ascii") not in methods.split(", "):
            await exchange.answer(405, "text/plain", f"Use {methods}.\n".encode())
            continue
        if request.method != b"POST":
            await exchange.next_event()  # the end of the request: these have no body
        await handler(exchange, request)


async def serve_connection(stream: trio.SocketStream, counters: Counters) -> None:
    """Serve one connection and contain whatever goes wrong with it."""
    exchange = Exchange(stream, counters)
    counters.connections += 1
    try:
        async with stream:
            try:
                await serve_requests(exchange)
            except h11.RemoteProtocolError as error:
                await exchange.refuse(error)
    except* PEER_ERRORS:
        pass
    except* Exception as group:
        traceback.print_exception(group)
    finally:
        counters.connections -= 1


async def serve(path: str, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
    """Serve on the socket, started once it listens, until SIGTERM or SIGINT."""
    counters = Counters(started=trio.current_time())

    async def handle(stream: trio.SocketStream) -> None:
        await serve_connection(stream, counters)

    with (
        # First: whoever sees the socket may end us.
        trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals,
        open_unix_listener(path, 0o600) as listener,
    ):
        async with trio.open_nursery() as nursery:
            accepting = trio.SocketListener(trio.socket.from_stdlib_socket(listener))
            await nursery.start(trio.serve_listeners, handle, [accepting])
            task_status.started()
            await anext(signals)
            nursery.cancel_scope.cancel()


def main() -> int:
    """Serve on the socket that the command line names."""
    parser = argparse.ArgumentParser(description="A small web application that shows that it is alive.")
    parser.add_argument("socket", metavar="SOCKET", help="where to listen: a path of at most 107 bytes")
    try:
        trio.run(serve, parser.parse_args().socket)
    except StartError as error:
        print(f"demo_app: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
