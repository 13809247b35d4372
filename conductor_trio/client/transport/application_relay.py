"""The relay to the application: connections at a listener of ours, each spliced with a new one to it."""

from __future__ import annotations

import contextlib
import logging
import socket

import trio

from conductor_trio.client.host.application_socket import ApplicationSocket, ForeignListener
from conductor_trio.errors import UpstreamUnavailable
from conductor_trio.limits.client import ClientLimits
from conductor_trio.net.listeners import serve_connections
from conductor_trio.net.relay import relay
from conductor_trio.net.shared_buffer import SharedBuffer
from conductor_trio.net.stream import SocketStream

_log = logging.getLogger(__name__)


class ApplicationRelay:
    """Takes connections to the application, and to nobody else who listens in its place."""

    def __init__(self, application: ApplicationSocket, limits: ClientLimits) -> None:
        self._application = application
        self._limits = limits
        self._buffer = SharedBuffer(limits.splice_size)
        self._is_foreign = False  # which has been told

    async def run(self, listener: socket.socket) -> None:
        """Accept until cancelled, and with it end all connections."""
        async with trio.open_nursery() as nursery:
            await serve_connections(listener, self._connect_through, nursery, on_shortage=_log_shortage)

    async def _connect_through(self, sock: socket.socket) -> None:
        """Splice one connection with a new one to the application; closed at once where that is not there."""
        with contextlib.closing(SocketStream(sock)) as visitor:
            try:
                application = await self._application.connect(connect_timeout=self._limits.unix_connect_timeout)
            except ForeignListener as error:
                if not self._is_foreign:
                    _log.warning("no visitor is let through: %s", error)
                self._is_foreign = True
                return
            except UpstreamUnavailable as error:
                _log.debug("the application does not accept a connection: %s", error)
                return
            self._is_foreign = False
            with contextlib.closing(application):
                await relay(visitor, application, self._buffer, self._limits)


def _log_shortage(error: OSError) -> None:
    _log.warning("cannot accept a connection for now: %s", error.strerror)
