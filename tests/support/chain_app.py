"""The application at the far end of the end-to-end tests: ``chain_app.py SOCKET``.

====================  =====================================================================
``GET /``             the process id
``GET /kept``         the same, on a connection that is kept
``GET /ws``           a WebSocket that sends back what comes; ``close <code>`` closes with that code
``GET /events``       an event at once, and one more for each ``POST /poke``
``GET /download``     `DOWNLOAD_SIZE` bytes of `download_chunks`, chunked
``POST /upload``      the SHA-256 of the body
``GET /headers``      the request's header fields as they arrive here
``GET /farewell/…``   `FAREWELL` once it is told to end: a whole response (``whole``, which has not begun before),
                      one that ends with its connection (``end``), or over a new protocol (``tunnel``)
``GET /half/second``  over a new protocol, hears to the end, and then says `LAST_WORDS` and the SHA-256 of that
``GET /half/first``   the same, but says `LAST_WORDS` and its end first, and then hears to the end
``GET /heard``        the SHA-256 of what the latter has heard, once that has ended
``POST /quit``        an answer, and then its end
====================  =====================================================================
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import sys
from collections.abc import Iterator

import h11
import trio
from trio_websocket import ConnectionClosed, WebSocketConnection, wrap_server_stream

from conductor_trio.net.listeners import open_unix_listener

DOWNLOAD_SIZE = 32 * 1024 * 1024
LAST_WORDS = b"w" * 1_000_000
FAREWELL = b"f" * 3_000_000
_SWITCHING = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: words\r\n\r\n"
_CHUNK = 64 * 1024


def download_chunks() -> Iterator[bytes]:
    """Yield the download piece by piece; no two pieces are alike."""
    for index in range(DOWNLOAD_SIZE // _CHUNK):
        yield hashlib.shake_128(index.to_bytes(4, "big")).digest(_CHUNK)


class Application:
    """What the connections share."""

    def __init__(self) -> None:
        self._pokes = 0
        self._poked = trio.lowlevel.ParkingLot()
        self._ending = trio.Event()
        self._farewells: set[trio.Event] = set()
        self._heard = ""
        self._has_heard = trio.Event()

    async def serve(self, stream: trio.SocketStream) -> None:
        """Serve a connection; a visitor who goes is nobody else's business."""
        async with stream:
            try:
                while await self._serve(stream):
                    pass
            except* (trio.BrokenResourceError, ConnectionClosed):
                pass

    async def _serve(self, stream: trio.SocketStream) -> bool:
        """Serve one request; return whether there may be another."""
        http = h11.Connection(h11.SERVER)
        received = bytearray()
        while not isinstance(request := http.next_event(), h11.Request):
            if isinstance(request, h11.ConnectionClosed):
                return False
            chunk = bytes(await stream.receive_some())
            received += chunk
            http.receive_data(chunk)

        async def answer(*pieces: bytes, then: bytes = b"close") -> None:
            length = sum(map(len, pieces))
            await stream.send_all(
                b"HTTP/1.1 200 OK\r\nConnection: %b\r\nContent-Length: %d\r\n\r\n" % (then, length)
            )
            await stream.send_all(b"".join(pieces))

        match request.method, request.target:
            case b"GET", b"/":
                await answer(str(os.getpid()).encode())
            case b"GET", b"/kept":
                await answer(str(os.getpid()).encode(), then=b"keep-alive")
                return True
            case b"GET", b"/headers":
                fields = [[name.decode(), value.decode()] for name, value in request.headers.raw_items()]
                await answer(json.dumps(fields).encode())
            case b"GET", b"/ws":
                await self._serve_websocket(Replayed(bytes(received), stream))
            case b"GET", b"/events":
                await self._serve_events(stream)
            case b"POST", b"/poke":
                self._pokes += 1
                self._poked.unpark_all()
                await answer()
            case b"GET", b"/download":
                await stream.send_all(
                    b"HTTP/1.1 200 OK\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
                )
                for piece in download_chunks():
                    await send_chunk(stream, piece)
                await send_chunk(stream, b"")
            case b"POST", b"/upload":
                digest = hashlib.sha256()
                while not isinstance(event := http.next_event(), h11.EndOfMessage):
                    if isinstance(event, h11.Data):
                        digest.update(event.data)
                    else:
                        http.receive_data(bytes(await stream.receive_some()))
                await answer(digest.hexdigest().encode())
            case b"GET", b"/last-words":
                # What comes early is not read, as when the visitor is still sending.
                await stream.send_all(_SWITCHING)
                await stream.receive_some(1)
                await stream.send_all(LAST_WORDS)
            case b"POST", b"/refused":  # early, and by an end that has no length
                await stream.send_all(b"HTTP/1.0 413 Content Too Large\r\n\r\nfile is too large\n")
            case b"GET", b"/farewell/whole":
                await self._say_farewell(
                    stream, b"", b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(FAREWELL)
                )
            case b"GET", b"/farewell/end":
                await self._say_farewell(stream, b"HTTP/1.0 200 OK\r\n\r\n")
            case b"GET", b"/farewell/tunnel":
                await self._say_farewell(stream, _SWITCHING)
            case b"GET", b"/half/second":
                await stream.send_all(_SWITCHING)
                await stream.send_all(LAST_WORDS + (await hear(stream)).encode())
            case b"GET", b"/half/first":
                await stream.send_all(_SWITCHING + LAST_WORDS)
                await stream.send_eof()
                self._heard = await hear(stream)
                self._has_heard.set()
            case b"GET", b"/heard":
                await self._has_heard.wait()
                await answer(self._heard.encode())
            case b"POST", b"/quit":
                await answer()
                os.kill(os.getpid(), signal.SIGTERM)
            case _:
                await stream.send_all(b"HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
        return False

    async def end(self) -> None:
        """Say farewell to all who wait for it."""
        self._ending.set()
        for said in list(self._farewells):
            await said.wait()

    async def _say_farewell(self, stream: trio.SocketStream, begin: bytes, head: bytes = b"") -> None:
        said = trio.Event()
        self._farewells.add(said)
        try:
            await stream.send_all(begin)
            await self._ending.wait()
            await stream.send_all(head + FAREWELL)
            await stream.send_eof()
        finally:
            self._farewells.discard(said)
            said.set()

    async def _serve_websocket(self, stream: trio.abc.Stream) -> None:
        async with trio.open_nursery() as nursery:
            request = await wrap_server_stream(nursery, stream)
            socket: WebSocketConnection = await request.accept()
            while True:
                message = await socket.get_message()
                if isinstance(message, str) and message.startswith("close "):
                    await socket.aclose(int(message.removeprefix("close ")), "as asked")
                else:
                    await socket.send_message(message)

    async def _serve_events(self, stream: trio.SocketStream) -> None:
        await stream.send_all(
            b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: text/event-stream\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n"
        )
        await send_chunk(stream, b"data: begun\n\n")
        seen = self._pokes
        while True:
            while seen == self._pokes:
                await self._poked.park()
            seen += 1
            await send_chunk(stream, b"data: poke %d\n\n" % seen)


async def hear(stream: trio.abc.ReceiveStream) -> str:
    """Receive to the end, and return the SHA-256 of it."""
    digest = hashlib.sha256()
    async for piece in stream:
        digest.update(piece)
    return digest.hexdigest()


async def send_chunk(stream: trio.abc.SendStream, piece: bytes) -> None:
    """Send a piece of a chunked body; the last one is empty."""
    await stream.send_all(b"%x\r\n%s\r\n" % (len(piece), piece))


class Replayed(trio.abc.Stream):
    """A stream whose first bytes were read already."""

    def __init__(self, already: bytes, stream: trio.abc.Stream) -> None:
        self._already = already
        self._stream = stream

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        """Return what was read already, and then what comes."""
        if not self._already:
            return await self._stream.receive_some(max_bytes)
        await trio.lowlevel.checkpoint()
        taken, self._already = self._already[:max_bytes], self._already[len(self._already[:max_bytes]) :]
        return taken

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send to the stream."""
        await self._stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        """Wait for the stream."""
        await self._stream.wait_send_all_might_not_block()

    async def aclose(self) -> None:
        """Close the stream."""
        await self._stream.aclose()


async def main(path: str) -> None:
    """Serve until SIGTERM."""
    with open_unix_listener(path, 0o600) as listener, trio.open_signal_receiver(signal.SIGTERM) as signals:
        accepting = trio.SocketListener(trio.socket.from_stdlib_socket(listener.dup()))
        async with trio.open_nursery() as nursery:
            application = Application()
            nursery.start_soon(trio.serve_listeners, application.serve, [accepting])
            await anext(signals)
            await application.end()
            nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(main, sys.argv[1])
