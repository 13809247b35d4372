"""TLS for tests: an authority that both ends trust, and a client that can end its direction by close_notify."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Callable
from functools import partial
from typing import TypeVar

import trio

from conductor_trio.net.stream import SocketStream
from tests.support.certificates import CertificateAuthority

Result = TypeVar("Result")

_PIECE = 16384


class Authority:
    """A certificate authority that both ends of a test trust."""

    def __init__(self) -> None:
        self.ca = CertificateAuthority()
        self.server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.certificate = self.ca.issue("localhost")
        self.certificate.configure(self.server)
        self.client = ssl.create_default_context()
        # Some versions of Python have OpenSSL take an end without close_notify for one with it.
        self.client.options &= ~getattr(ssl, "OP_IGNORE_UNEXPECTED_EOF", ssl.Options(0))
        self.ca.configure_trust(self.client)

    def visitor(self, stream: SocketStream) -> TlsVisitor:
        """Return a client's side over this stream."""
        return TlsVisitor(stream, self.client, "localhost")


class TlsVisitor:
    """A connection over TLS over `stream`, which it owns; hands are shaken by whatever comes first."""

    def __init__(self, stream: SocketStream, context: ssl.SSLContext, host: str) -> None:
        self._stream = stream
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)
        self._sending, self._shaking = trio.Lock(), trio.Lock()
        self._is_shaken = False
        self._set_aside = b""  # what had come before our end
        self._failure: trio.BrokenResourceError | None = None  # of sending

    async def handshake(self) -> None:
        """Shake hands, unless that is done."""
        async with self._shaking:
            if not self._is_shaken:
                await self._do(self._tls.do_handshake)
                self._is_shaken = True

    async def send_all(self, data: bytes) -> None:
        """Encrypt and send."""
        await self.handshake()
        view = memoryview(data)
        for begin in range(0, len(data), _PIECE):
            await self._do(partial(self._tls.write, view[begin : begin + _PIECE]))
            if self._failure is not None:
                raise self._failure

    async def send_eof(self) -> None:
        """Say close_notify, and not FIN (RFC 8446 section 6.1)."""
        await self.handshake()
        with contextlib.suppress(ssl.SSLError):  # there is no more, or the peer's end
            while piece := self._tls.read(_PIECE):  # which OpenSSL would refuse to give afterwards
                self._set_aside += piece
        with contextlib.suppress(ssl.SSLWantReadError):
            self._tls.unwrap()
        await self._flush()

    async def receive_some(self, max_bytes: int = _PIECE) -> bytes:
        """Return what comes; b"" once the peer has said close_notify, an error where it has gone without."""
        await self.handshake()
        if self._set_aside:
            piece, self._set_aside = self._set_aside[:max_bytes], self._set_aside[max_bytes:]
            return piece
        try:
            return await self._do(partial(self._tls.read, max_bytes))
        except ssl.SSLZeroReturnError:
            return b""
        except ssl.SSLError as error:
            raise trio.BrokenResourceError(f"TLS failed: {error.reason}") from error

    def reset(self) -> None:
        """Break the connection off."""
        self._stream.reset()

    def close(self) -> None:
        """Close the connection without another word."""
        self._stream.close()

    async def _do(self, act: Callable[[], Result]) -> Result:
        while True:
            try:
                result = act()
            except ssl.SSLWantReadError:
                await self._flush()
                if data := await self._stream.receive_some(_PIECE):
                    self._incoming.write(data)
                else:
                    self._incoming.write_eof()
            else:
                await self._flush()
                return result

    async def _flush(self) -> None:
        async with self._sending:
            if (records := self._outgoing.read()) and self._failure is None:
                try:
                    await self._stream.send_all(records)
                except trio.BrokenResourceError as error:  # what has come can still be received
                    self._failure = error
