"""The transport without SSH: the server is on this host, and we ourselves listen in the session's directory."""

from __future__ import annotations

import contextlib
import logging
import socket
from collections.abc import AsyncIterator
from functools import partial

import attrs
import trio

from conductor_trio.client.config.settings import ClientSettings
from conductor_trio.client.transport.base import ServerAway, Transport
from conductor_trio.errors import StartError, TransportError, UpstreamUnavailable
from conductor_trio.net.grace import open_grace
from conductor_trio.net.listeners import open_unix_listener, serve_connections
from conductor_trio.net.relay import Relays
from conductor_trio.net.shared_buffer import SharedBuffer
from conductor_trio.net.stream import SocketStream
from conductor_trio.net.unix import connect_unix

_log = logging.getLogger(__name__)

_RELAY_MODE = 0o660  # the control channel's contract


@attrs.define(eq=False)
class _Connections:
    """The nursery of all relayed connections, which no cancellation but our own reaches: they have last words."""

    _last_words_timeout: float
    ready: trio.Event = attrs.field(factory=trio.Event, init=False)
    over: trio.Event = attrs.field(factory=trio.Event, init=False)  # there are to be no more
    gone: trio.Event = attrs.field(factory=trio.Event, init=False)  # there are none any more
    nursery: trio.Nursery | None = attrs.field(default=None, init=False)

    async def hold(self) -> None:
        """Hold it open until it is over."""
        async with trio.open_nursery() as self.nursery:
            self.nursery.cancel_scope.shield = True  # until `cut`, which whoever runs this calls
            self.ready.set()
            await self.over.wait()
            self.nursery.cancel_scope.deadline = trio.current_time() + self._last_words_timeout
        self.gone.set()

    def cut(self) -> None:
        """Cut those that are there."""
        self.over.set()
        if self.nursery is not None:
            self.nursery.cancel_scope.cancel()


class LocalTransport(Transport):
    """The transport to a server on this host."""

    def __init__(self, settings: ClientSettings, local_socket: str, connections: _Connections) -> None:
        self._path = settings.server.path
        self._local_socket = local_socket
        self._limits = settings.limits
        self._connect_timeout = settings.limits.unix_connect_timeout
        self._connections = connections
        self._buffer = SharedBuffer(settings.limits.splice_size)

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
            relays = Relays(self._limits, self._buffer)
            stack.callback(relays.finish)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._serve, listener, relays, name="local transport: relay socket")
                yield
                nursery.cancel_scope.cancel()

    async def finish(self, hurry: trio.Event) -> None:
        """Wait until the relays, which have been told to finish, have passed on what was under way."""
        async with open_grace(self._limits.ended_session_timeout, hurry):
            self._connections.over.set()
            await self._connections.gone.wait()

    async def _serve(self, listener: socket.socket, relays: Relays) -> None:
        assert self._connections.nursery is not None
        connect_through = partial(self._connect_through, relays)
        await serve_connections(
            listener,
            connect_through,
            self._connections.nursery,
            on_shortage=_log_shortage,
            task_name="relayed connection",
        )

    async def _connect_through(self, relays: Relays, sock: socket.socket) -> None:
        """Splice one connection with a new one to the application; closed at once where that is not there."""
        with contextlib.closing(SocketStream(sock)) as visitor:
            try:
                application = await connect_unix(self._local_socket, connect_timeout=self._connect_timeout)
            except UpstreamUnavailable as error:
                _log.debug("the application does not accept a connection: %s", error)
                return
            with contextlib.closing(application):
                await relays.run(visitor, application)


def _log_shortage(error: OSError) -> None:
    _log.warning("cannot accept a connection for now: %s", error.strerror)


@contextlib.asynccontextmanager
async def open_local(settings: ClientSettings, local_socket: str) -> AsyncIterator[LocalTransport]:
    """Give the transport; there is nothing to open before the control socket. On leaving, no relay is left."""
    connections = _Connections(settings.limits.ended_session_timeout)
    async with trio.open_nursery() as nursery:
        try:
            # Not start(): cancelled before it has begun, it would wait for what no cancellation reaches.
            nursery.start_soon(connections.hold, name="local transport: connections")
            await connections.ready.wait()
            yield LocalTransport(settings, local_socket, connections)
        finally:
            connections.cut()
