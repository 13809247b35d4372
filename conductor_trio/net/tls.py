"""The server's side of TLS over a socket stream: an `ssl.SSLObject` between two memory BIOs.

Not `trio.SSLStream`: of a handshake that fails it keeps back the alert (RFC 8446 section 6.2), without which a
browser cannot say that a certificate is needed.
"""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar, cast

import trio

from conductor_trio.limits.constants import TLS_PIECE_SIZE, TLS_RECORD_SIZE, TLS_SEND_SIZE
from conductor_trio.net.stream import SocketStream, Stream

Received = TypeVar("Received", bytes, int)

#: Ciphertext on its way from the kernel to an SSL object, within one step.
_scratch = memoryview(bytearray(TLS_RECORD_SIZE))
#: What a record holds, on its way from an SSL object to who copies it. PyPy's would make a buffer of all that is
#: asked for at each read, and fill it with zeros: for 16 KiB 7 µs, where the rest of a read takes 1.5.
_plain = memoryview(bytearray(TLS_PIECE_SIZE))


class TlsStream(Stream):
    """The server's side of TLS over a socket.

    By custom an end is that of both directions, which is how peers may take ours. But one who says close_notify
    and leaves the connection below open has ended its own alone (RFC 8446 section 6.1).
    """

    _has_peer_said_end = False  # by close_notify
    _failure: trio.BrokenResourceError | None = None  # to be told once what came before it is received
    _farewell: bytes | None = None  # what is left to send of our end, once it was begun
    _set_aside = b""  # what was received before our end

    def __init__(self, stream: SocketStream, context: ssl.SSLContext) -> None:
        self._socket = stream
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._held_back = 0  # bytes of `_outgoing` that are sent with the next ones
        self._needs_input = False  # what is here gives nothing to receive
        self._may_feed = True  # the kernel may have more
        self._sending = trio.Lock()  # records must go out in the order in which they were written
        self._is_cut = False  # a record went out in part, so that nothing can be said any more

    async def handshake(self, pace: Callable[[], Awaitable[None]] | None = None) -> None:
        """Shake hands; raises `trio.BrokenResourceError` where that fails, having told the peer why.

        `pace`, if any, is awaited before each read.
        """
        failure: ssl.SSLError | None = None
        is_done = False
        while not is_done:
            try:
                self._tls.do_handshake()
                is_done = True
            except ssl.SSLWantReadError:
                pass
            except ssl.SSLError as error:
                failure = error
            if is_done and self._tls.version() == "TLSv1.3":
                # Session tickets. A peer that sends, reads nothing and closes would reset the connection for them,
                # and what it has sent would be lost (https://github.com/python-trio/trio/issues/819).
                self._held_back = self._outgoing.pending
                return
            await self._flush()  # of a failure, the alert
            if failure is not None:
                try:
                    raise _broken(failure) from failure
                finally:
                    failure = None  # its traceback refers to this frame, which would refer to it
            if not is_done:
                if pace is not None:
                    await pace()
                await self._socket.wait_receivable()
                self._may_feed = True
                self._feed_nowait()

    async def receive_some(self, max_bytes: int) -> bytes:
        """Wait for bytes and return them; b"" once the peer has ended the connection."""
        while True:
            await self.wait_receivable()
            if self._set_aside:
                piece, self._set_aside = self._set_aside[:max_bytes], self._set_aside[max_bytes:]
                return piece
            if (data := self._receive(lambda: self._read(max_bytes), b"")) is not None:
                return data

    async def wait_receivable(self) -> None:
        """Wait until there may be something to receive: bytes, the end or an error."""
        # Reading may have to answer, as to a request to renegotiate.
        if self._outgoing.pending > self._held_back and self._farewell is None:
            await self._flush()
        if self._needs_input and not self._set_aside:
            await self._socket.wait_receivable()
            self._may_feed = True
        else:
            await trio.lowlevel.checkpoint()

    def receive_nowait(self, buffer: memoryview) -> int | None:
        """Put what is there into `buffer` and return how many bytes; 0 at the end, None where there is nothing."""
        if self._set_aside:
            count = min(len(buffer), len(self._set_aside))
            buffer[:count], self._set_aside = self._set_aside[:count], self._set_aside[count:]
            return count
        if self._failure is not None:
            raise self._failure
        count = 0
        while rest := buffer[count:]:  # a record at a time
            try:
                read = self._receive(lambda to=rest: cast(int, self._tls.read(len(to), to)), 0)  # type: ignore[misc]
            except trio.BrokenResourceError as error:
                if not count:
                    raise
                self._failure = error
                break
            if not read:
                return count or read
            count += read
        return count

    def _read(self, max_bytes: int) -> bytes:
        """Return a copy of what is read; there is never more than a record at once."""
        size = min(max_bytes, TLS_PIECE_SIZE)
        return bytes(_plain[: cast(int, self._tls.read(size, _plain[:size]))])

    def _receive(self, read: Callable[[], Received], end: Received) -> Received | None:
        """Decrypt a record; None where there is no whole one. No more is taken from the kernel than it needs."""
        while True:
            try:
                received = read()
                if not received:  # how close_notify shows where we have not said it
                    self._has_peer_said_end = True
                return received
            except ssl.SSLWantReadError:
                if not self._feed_nowait():
                    self._needs_input = True
                    return None
            except ssl.SSLZeroReturnError:
                self._has_peer_said_end = True
                return end
            except ssl.SSLEOFError:  # messages of HTTP show themselves whether they are whole
                return end
            except ssl.SSLError as error:
                raise _broken(error) from error

    def _feed_nowait(self) -> bool:
        """Give the SSL object what the kernel has, a piece or the end; False where that is nothing."""
        if not self._may_feed:
            return False
        # What completes the record that is here in part, but for the few that are longer.
        size = max(TLS_RECORD_SIZE - self._incoming.pending, TLS_RECORD_SIZE // 16)
        count = self._socket.receive_nowait(_scratch[:size])
        self._may_feed = count == size
        if count is None:
            return False
        if count:
            self._incoming.write(_scratch[:count])
        else:
            self._incoming.write_eof()
        self._needs_input = False
        return True

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Encrypt and send; the limit on a peer that does not read is the socket's."""
        if data:
            async with self._sending:
                view = memoryview(data)
                for begin in range(0, len(view), TLS_SEND_SIZE):
                    await self._send_records(self._encrypt(view[begin : begin + TLS_SEND_SIZE]))

    async def _flush(self) -> None:
        """Send what the SSL object has written, when whoever does so already is through."""
        async with self._sending:
            await self._send_records(self._outgoing.read())

    def _encrypt(self, data: memoryview) -> bytes:
        """Return the records of these bytes, behind what the SSL object has written before."""
        records = []
        try:
            for begin in range(0, len(data), TLS_PIECE_SIZE):
                self._tls.write(data[begin : begin + TLS_PIECE_SIZE])
                records.append(self._outgoing.read())
        except ssl.SSLError as error:
            raise _broken(error) from error
        return b"".join(records)

    async def _send_records(self, records: bytes) -> None:
        if self._is_cut:
            raise trio.BrokenResourceError("connection lost: a record was sent in part")
        self._held_back = 0
        if records:
            self._is_cut = True  # unless all of it is sent
            await self._socket.send_all(records)
            self._is_cut = False

    @property
    def is_slow(self) -> bool:  # type: ignore[override]
        """Whether it took something only later, since it was last found to have room."""
        return self._socket.is_slow

    def room_nowait(self, size: int) -> int:
        """Return how many of `size` bytes are sent at once as far as the kernel tells; 0: `wait_room` first."""
        return self._socket.room_nowait(size)

    def wait_room(self, size: int) -> Coroutine[Any, Any, int]:
        """Wait until the kernel takes more, up to its `send_timeout`, and return how many of `size` bytes."""
        return self._socket.wait_room(size)

    def is_fully_closed(self) -> bool:
        """Whether the peer, whose direction has ended, has done more than to say close_notify."""
        return not self._has_peer_said_end or self._socket.has_peer_ended()

    def is_abandoned(self) -> bool:
        """Whether the peer is known to be gone for both directions, whatever of it has not been received."""
        return self._socket.is_abandoned() or (self._has_peer_said_end and self._socket.has_peer_ended())

    async def send_eof(self) -> None:
        """End our direction as `send_eof_nowait` does, waiting while the kernel takes no more."""
        while not self.send_eof_nowait():
            await self._socket.wait_writable()
        await trio.lowlevel.checkpoint()

    def send_eof_nowait(self) -> bool:
        """Say close_notify, and then FIN; what the peer sends can still be received (RFC 8446 section 6.1).

        Where a record is cut, or somebody is still sending one, there is nothing to say but FIN.
        """
        if not (self._is_cut or self._sending.locked()):
            if self._farewell is None:
                self._farewell = self._make_farewell()
            try:
                self._farewell = self._farewell[self._socket.send_nowait(self._farewell) :]
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                self._farewell = b""
            if self._farewell:
                return False
        return self._socket.send_eof_nowait()

    def _make_farewell(self) -> bytes:
        """Return close_notify, with what was held back; what is here to be received is put aside first.

        OpenSSL would refuse to give it once close_notify is written.
        """
        self._may_feed = False
        with contextlib.suppress(trio.BrokenResourceError):
            while data := self._receive(lambda: self._read(TLS_PIECE_SIZE), b""):
                self._set_aside += data
        with contextlib.suppress(ssl.SSLError):  # always: it wants to read the peer's close_notify, too
            self._tls.unwrap()
        return self._outgoing.read()

    def close(self) -> None:
        """Close at once, without close_notify, which peers of HTTP take as truncation."""
        self._failure = None  # whose traceback refers to this stream
        self._socket.close()


def _broken(error: ssl.SSLError) -> trio.BrokenResourceError:
    return trio.BrokenResourceError(f"TLS failed: {error.reason or error}")
