"""The transport without SSH: the server is on this host, and we ourselves listen in the session's directory."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager

import trio

from conductor_trio.client.config.settings import ClientSettings
from conductor_trio.client.host.application_socket import ApplicationSocket
from conductor_trio.client.transport.base import ServerAway, Transport
from conductor_trio.client.transport.doorway import Doorway, Expectation, open_doorway
from conductor_trio.errors import StartError, TransportError, UpstreamUnavailable
from conductor_trio.grace import open_grace
from conductor_trio.net.listeners import listen_unix
from conductor_trio.net.stream import SocketStream
from conductor_trio.net.unix import connect_unix

_RELAY_MODE = 0o660  # the control channel's contract


class LocalTransport(Transport):
    """The transport to a server on this host."""

    def __init__(self, settings: ClientSettings, doorway: Doorway) -> None:
        self._path = settings.server.path
        self._limits = settings.limits
        self._doorway = doorway

    async def connect_control(self) -> SocketStream:
        """Connect to the server's control socket; raises `TransportError`."""
        try:
            return await connect_unix(self._path, connect_timeout=self._limits.unix_connect_timeout)
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
                listener = stack.enter_context(contextlib.closing(listen_unix(path, _RELAY_MODE)))
            except StartError as error:
                raise TransportError(f"the relay socket cannot be made: {error}") from error
            relays = self._doorway.make_relays()
            stack.callback(relays.finish)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._doorway.accept, listener, relays, name="local transport: relay socket")
                yield
                nursery.cancel_scope.cancel()

    def expecting(self, nonce: bytes) -> AbstractContextManager[Expectation]:
        """Within, a connection that says the nonce goes no further."""
        return self._doorway.expecting(nonce)

    async def finish(self, hurry: trio.Event) -> None:
        """Wait until the relays, which have been told to finish, have passed on what was under way."""
        async with open_grace(self._limits.ended_session_timeout, hurry):
            await self._doorway.finish()


@contextlib.asynccontextmanager
async def open_local(settings: ClientSettings, application: ApplicationSocket) -> AsyncIterator[LocalTransport]:
    """Give the transport; there is nothing to open before the control socket. On leaving, no relay is left."""
    async with open_doorway(application, settings.limits) as doorway:
        yield LocalTransport(settings, doorway)
