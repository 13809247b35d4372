"""The server's side of TLS over a socket stream: an `ssl.SSLObject` between two memory BIOs.

Not `trio.SSLStream`: of a handshake that fails it keeps back the alert (RFC 8446 section 6.2), without which a
browser cannot say that a certificate is needed.
"""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Callable
from typing import TypeVar, cast

import trio

from conductor_trio.limits import TLS_CLOSE_TIMEOUT, TLS_READ_SIZE
from conductor_trio.net.stream import SocketStream, Stream

Received = TypeVar("Received", bytes, int)


class TlsStream(Stream):
    """The server's side of TLS over a socket. Its end is the end of both directions."""

    def __init__(self, stream: SocketStream, context: ssl.SSLContext) -> None:
        self._socket = stream
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._held_back = 0  # bytes of `_outgoing` that are sent with the next ones
        self._needs_input = False  # what is in `_incoming` gives nothing to receive
        self._sending = trio.Lock()  # records must go out in the order in which they were written
        self._is_cut = False  # a record went out in part, so that nothing can be said any more

    async def handshake(self) -> None:
        """Shake hands; raises `trio.BrokenResourceError` where that fails, having told the peer why."""
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
                raise _broken(failure) from failure
            if not is_done:
                await self._feed()

    async def receive_some(self, max_bytes: int) -> bytes:
        """Wait for bytes and return them; b"" once the peer has ended the connection."""
        while True:
            await self.wait_receivable()
            if (data := self._receive(lambda: self._tls.read(max_bytes), b"")) is not None:
                return data

    async def wait_receivable(self) -> None:
        """Wait until there may be something to receive: bytes, the end or an error."""
        if self._outgoing.pending > self._held_back:  # reading may have to answer, as to a request to renegotiate
            await self._flush()
        if self._needs_input:
            await self._feed()
        else:
            await trio.lowlevel.checkpoint()

    def receive_nowait(self, buffer: memoryview) -> int | None:
        """Put what is there into `buffer` and return how many bytes; 0 at the end, None where there is nothing."""
        return self._receive(lambda: cast(int, self._tls.read(len(buffer), buffer)), 0)

    def _receive(self, read: Callable[[], Received], end: Received) -> Received | None:
        """Decrypt a record that is here; None where there is no whole one."""
        try:
            return read()
        except ssl.SSLWantReadError:
            self._needs_input = True
            return None
        except (
            ssl.SSLZeroReturnError,
            ssl.SSLEOFError,
        ):  # messages of HTTP show themselves whether they are whole
            return end
        except ssl.SSLError as error:
            raise _broken(error) from error

    async def _feed(self) -> None:
        """Wait for bytes of the peer's, or its end, for the SSL object to read."""
        if data := await self._socket.receive_some(TLS_READ_SIZE):
            self._incoming.write(data)
        else:
            self._incoming.write_eof()
        self._needs_input = False

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Encrypt and send; the limit on a peer that does not read is the socket's."""
        if data:
            try:
                self._tls.write(data)
            except ssl.SSLError as error:
                raise _broken(error) from error
            await self._flush()

    async def _flush(self) -> None:
        """Send what the SSL object has written, when whoever does so already is through."""
        async with self._sending:
            if self._is_cut:
                raise trio.BrokenResourceError("connection lost: a record was sent in part")
            self._held_back = 0
            if data := self._outgoing.read():
                self._is_cut = True  # unless all of it is sent
                await self._socket.send_all(data)
                self._is_cut = False

    def close(self) -> None:
        """Close at once, without close_notify, which peers of HTTP take as truncation."""
        self._socket.close()

    async def aclose(self) -> None:
        """Say close_notify and close."""
        with trio.move_on_after(TLS_CLOSE_TIMEOUT) as scope:
            scope.shield = True
            with contextlib.suppress(ssl.SSLError):  # always: it wants to read the peer's close_notify, too
                self._tls.unwrap()
            with contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError, trio.TooSlowError):
                await self._flush()
        self.close()


def _broken(error: ssl.SSLError) -> trio.BrokenResourceError:
    return trio.BrokenResourceError(f"TLS failed: {error.reason or error}")
