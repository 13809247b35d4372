"""The transport without SSH: the server is on this host, and we ourselves listen in the session's directory."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager

import trio

from conductor_trio.client.config.settings import ClientSettings
from conductor_trio.client.host.application_socket import ApplicationSocket
from conductor_trio.client.transport.base import ServerAway, Transport
from conductor_trio.client.transport.doorway import Doorway, Expectation
from conductor_trio.errors import StartError, TransportError, UpstreamUnavailable
from conductor_trio.net.listeners import open_unix_listener, serve_connections
from conductor_trio.net.stream import SocketStream
from conductor_trio.net.unix import connect_unix

_RELAY_MODE = 0o660  # the control channel's contract


class LocalTransport(Transport):
    """The transport to a server on this host."""

    def __init__(self, settings: ClientSettings, application: ApplicationSocket) -> None:
        self._path = settings.server.path
        self._connect_timeout = settings.limits.unix_connect_timeout
        self._doorway = Doorway(application, settings.limits)

    async def connect_control(self) -> SocketStream:
        """Connect to the server's control socket; raises `TransportError`."""
        try:
            return await connect_unix(self._path, connect_timeout=self._connect_timeout)
        except UpstreamUnavailable as error:
            raise ServerAway(
                f"there is no conductor-trio-server at {self._path} on this host: {error}",
                advice="is it running?",
                hop="server",
            ) from error

    @contextlib.asynccontextmanager
    async def open_relay(self, path: str) -> AsyncIterator[None]:
        """Within, connections to `path` go to the application; raises `TransportError`."""
        with contextlib.ExitStack() as stack:
            try:
                listener = stack.enter_context(open_unix_listener(path, _RELAY_MODE))
            except StartError as error:
                raise TransportError(f"the relay socket cannot be made: {error}") from error
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._serve, listener, nursery, name="local transport: relay socket")
                yield
                nursery.cancel_scope.cancel()

    async def _serve(self, listener: socket.socket, nursery: trio.Nursery) -> None:
        await serve_connections(listener, self._doorway.serve, nursery, on_shortage=self._doorway.note_shortage)

    def expecting(self, nonce: bytes) -> AbstractContextManager[Expectation]:
        """Within, a connection that says the nonce goes no further."""
        return self._doorway.expecting(nonce)


@contextlib.asynccontextmanager
async def open_local(settings: ClientSettings, application: ApplicationSocket) -> AsyncIterator[LocalTransport]:
    """Give the transport; there is nothing to open before the control socket."""
    yield LocalTransport(settings, application)
