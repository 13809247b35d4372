"""The client's side of TLS with the means to end one direction by close_notify, which `trio.SSLStream` lacks."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from typing import TypeVar

import trio

Result = TypeVar("Result")

_PIECE = 16384


class TlsVisitor:
    """A connection over TLS, shaken hands on once `handshake` has returned; it is closed by its owner's `close`."""

    def __init__(self, stream: trio.SocketStream, context: ssl.SSLContext, host: str) -> None:
        self._stream = stream
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)
        self._sending = trio.Lock()

    async def handshake(self) -> None:
        """Shake hands."""
        await self._do(self._tls.do_handshake)

    async def send_all(self, data: bytes) -> None:
        """Encrypt and send."""
        view = memoryview(data)
        for begin in range(0, len(data), _PIECE):
            self._tls.write(view[begin : begin + _PIECE])
            await self._flush()

    async def send_eof(self) -> None:
        """Say close_notify, and not FIN (RFC 8446 section 6.1); nothing may have come that is not received."""
        try:
            self._tls.unwrap()
        except ssl.SSLWantReadError:
            await self._flush()

    async def receive_some(self, max_bytes: int = _PIECE) -> bytes:
        """Return what comes; b"" once the peer has said close_notify."""
        try:
            return await self._do(lambda: self._tls.read(max_bytes))
        except ssl.SSLZeroReturnError:
            return b""

    def close(self) -> None:
        """Close the connection without another word."""
        self._stream.socket.close()

    async def _do(self, act: Callable[[], Result]) -> Result:
        while True:
            try:
                result = act()
            except ssl.SSLWantReadError:
                await self._flush()
                if data := await self._stream.receive_some():
                    self._incoming.write(data)
                else:
                    self._incoming.write_eof()
            else:
                await self._flush()
                return result

    async def _flush(self) -> None:
        async with self._sending:
            if records := self._outgoing.read():
                await self._stream.send_all(records)
