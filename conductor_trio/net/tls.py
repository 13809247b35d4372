"""The server's side of TLS over a socket stream."""

from __future__ import annotations

import contextlib
import ssl

import trio

from conductor_trio.net.stream import SocketStream, Stream


class _TransportAdapter(trio.abc.Stream):
    """Shows a `SocketStream` to `trio.SSLStream` in the shape that it wants."""

    def __init__(self, stream: SocketStream) -> None:
        self._stream = stream

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await self._stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await trio.lowlevel.checkpoint()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        return await self._stream.receive_some(max_bytes or 65536)

    async def aclose(self) -> None:
        self._stream.close()
        await trio.lowlevel.checkpoint()


class TlsStream(Stream):
    """The server's side of TLS over a socket. Its end is the end of both directions."""

    def __init__(self, stream: SocketStream, context: ssl.SSLContext) -> None:
        self._socket = stream
        self._tls = trio.SSLStream(_TransportAdapter(stream), context, server_side=True, https_compatible=True)

    async def handshake(self) -> None:
        """Shake hands; raises `trio.BrokenResourceError` where that fails, having told the peer why."""
        failure: trio.BrokenResourceError | None = None
        try:
            await self._tls.do_handshake()
        except trio.BrokenResourceError as error:
            failure = error
        if failure is not None:
            # Trio leaves the alert (RFC 8446 section 6.2) where it was written, and without it a browser cannot
            # say that a certificate is needed.
            if alert := self._tls._outgoing.read():
                await self._socket.send_all(alert)
            raise failure

    async def receive_some(self, max_bytes: int) -> bytes:
        """Wait for bytes and return them; b"" once the peer has ended the connection."""
        return bytes(await self._tls.receive_some(max_bytes))

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Encrypt and send; the limit on a peer that does not read is the socket's."""
        await self._tls.send_all(data)

    def close(self) -> None:
        """Close at once, without close_notify, which peers of HTTP take as truncation."""
        self._socket.close()

    async def aclose(self) -> None:
        """Say close_notify and close."""
        with trio.move_on_after(1) as scope:  # a courtesy, not worth waiting for
            scope.shield = True
            with contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError, trio.TooSlowError):
                await self._tls.aclose()
        self.close()
