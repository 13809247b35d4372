"""The WebSockets of the server's own pages: accepted on a visitor's stream, after a request that was read."""

from __future__ import annotations

from email.utils import formatdate

import attrs
import trio
from trio_websocket import WebSocketConnection, wrap_server_stream

from conductor_trio.access.reasons import BadRequest
from conductor_trio.http1.request import RequestHead
from conductor_trio.http1.websocket import find_fault, format_handshake
from conductor_trio.limits.constants import PAGE_READ_SIZE
from conductor_trio.limits.server import ServerLimits
from conductor_trio.net.stream import Stream
from conductor_trio.pages.answers import answer_for
from conductor_trio.pages.rendering import format_answer
from conductor_trio.server.accounts.fairness import take_turn, wait_turn


async def accept_websocket(
    nursery: trio.Nursery, visitor: Stream, request: RequestHead, trailing_data: bytes, limits: ServerLimits
) -> PageSocket | None:
    """Accept a WebSocket, whose task is the nursery's, or answer why not; `trailing_data` came after the request.

    Raises what the library does, `TooSlowError`, and `STREAM_LOST`.
    """
    if (fault := find_fault(request)) is not None:
        answer, date = answer_for(BadRequest(status=fault)), formatdate(usegmt=True).encode()
        await visitor.send_all(format_answer(answer, request, keep_alive=False, date=date))
        return None
    stream = _HandshakeStream(visitor, request, trailing_data, limits.max_page_silence)
    with trio.fail_after(limits.page_handshake_timeout):
        handshake = await wrap_server_stream(nursery, stream, max_message_size=limits.max_page_message)
        connection = await handshake.accept()
        stream.is_accepted.set()
    return PageSocket(connection, stream)


@attrs.frozen(eq=False)
class PageSocket:
    """A WebSocket of a page of ours."""

    _connection: WebSocketConnection
    _stream: _HandshakeStream

    async def get_message(self) -> str | bytes:
        """Wait for a message of the page's; raises `ConnectionClosed`."""
        message = await self._connection.get_message()
        self._stream.note_message()
        return message

    async def send_message(self, message: str) -> None:
        """Send the page a message; raises `ConnectionClosed`."""
        await self._connection.send_message(message)


class _HandshakeStream(trio.abc.Stream):
    """A visitor's stream whose request has been read already, and is read here once more.

    trio-websocket does the handshake only from bytes: wsproto's way round that is a private matter of its.
    """

    def __init__(self, visitor: Stream, request: RequestHead, rest: bytes, max_silence: int) -> None:
        self._max_silence = self._left = max_silence  # bytes until the next message is whole
        self._head = format_handshake(request)
        self._rest = rest
        self._visitor = visitor
        #: Set once the handshake is over: the library takes no frame before that.
        self.is_accepted = trio.Event()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """Receive a little at a time, each in its turn: the library handles all that it gets in one step."""
        if self._head:
            await trio.lowlevel.checkpoint()
            data, self._head = self._head[:max_bytes], self._head[max_bytes or len(self._head) :]
            return data
        await self.is_accepted.wait()
        size = min(max_bytes or PAGE_READ_SIZE, PAGE_READ_SIZE)
        if self._rest:
            await take_turn()
            data, self._rest = self._rest[:size], self._rest[size:]
        else:
            await wait_turn()
            data = await self._visitor.receive_some(size)
        self._left -= len(data)
        if self._left < 0:  # the library keeps each piece of a message, however many are empty
            raise trio.BrokenResourceError("the page sends, and says nothing")
        return data

    def note_message(self) -> None:
        """A whole message has come."""
        self._left = self._max_silence

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        try:
            await self._visitor.send_all(data)
        except trio.TooSlowError as error:  # which the library does not expect
            raise trio.BrokenResourceError("the visitor does not read") from error

    async def wait_send_all_might_not_block(self) -> None:
        await trio.lowlevel.checkpoint()

    async def aclose(self) -> None:
        """Leave it to its owner to close."""
        await trio.lowlevel.checkpoint()
