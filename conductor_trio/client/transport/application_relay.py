"""The relay to the application: connections at listeners of ours, each spliced with a new one to it."""

from __future__ import annotations

import contextlib
import logging
import socket
from collections.abc import AsyncIterator
from functools import partial

import trio

from conductor_trio.client.host.application_socket import ApplicationSocket, ForeignListener
from conductor_trio.errors import UpstreamUnavailable
from conductor_trio.limits.client import ClientLimits
from conductor_trio.net.listeners import serve_connections
from conductor_trio.net.relay import Relays
from conductor_trio.net.shared_buffer import SharedBuffer
from conductor_trio.net.stream import SocketStream

_log = logging.getLogger(__name__)


class ApplicationRelay:
    """Takes connections to the application, and to nobody else who listens in its place.

    No cancellation but its own reaches those that are there, which have last words; see `open_application_relay`.
    """

    def __init__(self, application: ApplicationSocket, limits: ClientLimits) -> None:
        self._application = application
        self._limits = limits
        self._buffer = SharedBuffer(limits.splice_size)
        self._is_foreign = False  # which has been told
        self._connections: trio.Nursery | None = None
        self._is_over = trio.Event()  # there are to be no more
        self._is_idle = trio.Event()  # there are none any more

    def make_relays(self) -> Relays:
        """Return those of one listener, to be told to finish when that goes."""
        return Relays(self._limits, self._buffer)

    async def accept(self, listener: socket.socket, relays: Relays) -> None:
        """Take the connections at a listener until cancelled, which ends none of them."""
        assert self._connections is not None
        await serve_connections(
            listener,
            partial(self._connect_through, relays),
            self._connections,
            on_shortage=_log_shortage,
            task_name="relayed connection",
        )

    async def finish(self) -> None:
        """Wait until all relays, which have been told to finish, are over."""
        self._is_over.set()
        await self._is_idle.wait()

    async def hold(self, *, task_status: trio.TaskStatus[None]) -> None:
        """Hold the connections until `finish`, or `cut`."""
        async with trio.open_nursery() as self._connections:
            self._connections.cancel_scope.shield = True  # until `cut`, which whoever runs this calls
            task_status.started()
            await self._is_over.wait()
            self._connections.cancel_scope.deadline = trio.current_time() + self._limits.ended_session_timeout
        self._is_idle.set()

    def cut(self) -> None:
        """Cut the connections that are there."""
        if self._connections is not None:
            self._connections.cancel_scope.cancel()

    async def _connect_through(self, relays: Relays, sock: socket.socket) -> None:
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
                await relays.run(visitor, application)


def _log_shortage(error: OSError) -> None:
    _log.warning("cannot accept a connection for now: %s", error.strerror)


@contextlib.asynccontextmanager
async def open_application_relay(
    application: ApplicationSocket, limits: ClientLimits
) -> AsyncIterator[ApplicationRelay]:
    """Give the relay; on leaving, no connection is left."""
    relay = ApplicationRelay(application, limits)
    async with trio.open_nursery() as nursery:
        try:
            await nursery.start(relay.hold, name="connections to the application")
            yield relay
        finally:
            relay.cut()
