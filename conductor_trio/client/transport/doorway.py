"""The doorway: where connections to the application come in that pass through the client, and probes end.

A probe comes the way of a visitor, and says a nonce. Whatever else comes meanwhile goes on to the application, to
the byte, and to nobody else who listens in its place: what is looked at stays in the socket.
"""

from __future__ import annotations

import contextlib
import logging
import socket
from collections.abc import AsyncIterator, Iterator
from functools import partial

import attrs
import trio

from conductor_trio.client.host.application_socket import ApplicationSocket, ForeignListener
from conductor_trio.errors import UpstreamUnavailable
from conductor_trio.limits.client import ClientLimits
from conductor_trio.net.listeners import Listener
from conductor_trio.net.relay import Relays
from conductor_trio.net.shared_buffer import SharedBuffer
from conductor_trio.net.stream import SocketStream

_log = logging.getLogger(__name__)


@attrs.define(eq=False)
class Expectation:
    """A probe that is to arrive."""

    nonce: bytes
    arrived: trio.Event = attrs.field(factory=trio.Event)
    is_blind: bool = False  #: this host was short of something, so that it may have come unseen


class Doorway:
    """Takes connections to the application, and to nobody else who listens in its place.

    No cancellation but its own reaches those that are there, which have last words; see `open_doorway`.
    """

    def __init__(self, application: ApplicationSocket, limits: ClientLimits) -> None:
        self._application = application
        self._limits = limits
        self._buffer = SharedBuffer(limits.splice_size)
        self._expected: Expectation | None = None
        self._is_short = False  # which has been told
        self._is_foreign = False  # so has this
        self._connections: trio.Nursery | None = None
        self.is_open = trio.Event()  #: connections can be accepted
        self._is_over = trio.Event()  # there are to be no more
        self._is_idle = trio.Event()  # there are none any more

    @contextlib.contextmanager
    def expecting(self, nonce: bytes) -> Iterator[Expectation]:
        """Within, a connection that says the nonce is no visitor's."""
        self._expected = Expectation(nonce)
        try:
            yield self._expected
        finally:
            self._expected = None

    def make_relays(self) -> Relays:
        """Return those of one listener, to be told to finish when that goes."""
        return Relays(self._limits, self._buffer)

    async def accept(self, listener: Listener, relays: Relays) -> None:
        """Take the connections at a listener until cancelled, which ends none of them."""
        assert self._connections is not None
        await listener.serve(
            partial(self.serve, relays),
            self._connections,
            on_shortage=self.note_shortage,
            task_name="relayed connection",
        )

    async def finish(self) -> None:
        """Wait until all relays, which have been told to finish, are over."""
        self._is_over.set()
        await self._is_idle.wait()

    async def hold(self) -> None:
        """Hold the connections until `finish`, or `cut`."""
        async with trio.open_nursery() as self._connections:
            self._connections.cancel_scope.shield = True  # until `cut`, which whoever runs this calls
            self.is_open.set()
            await self._is_over.wait()
            self._connections.cancel_scope.deadline = trio.current_time() + self._limits.ended_session_timeout
        self._is_idle.set()

    def cut(self) -> None:
        """Cut the connections that are there."""
        self._is_over.set()
        if self._connections is not None:
            self._connections.cancel_scope.cancel()

    async def serve(self, relays: Relays, sock: socket.socket, _: str) -> None:
        """Splice a connection with a new one to the application; closed at once where that is not there."""
        self._is_short = False
        with contextlib.closing(SocketStream(sock)) as visitor:
            expected = self._expected
            if expected is not None and await self._says(sock, expected.nonce):
                expected.arrived.set()
                return
            try:
                application = await self._application.connect(self._limits.unix_connect_timeout)
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

    def note_shortage(self, error: OSError) -> None:
        """Tell of a lack of descriptors or memory, once until a connection is served again."""
        if self._expected is not None:
            self._expected.is_blind = True
        if not self._is_short:
            _log.warning("cannot accept a connection for now: %s", error.strerror)
        self._is_short = True

    async def _says(self, sock: socket.socket, nonce: bytes) -> bool:
        """Whether that is what comes first; a visitor who says nothing is not held up for long."""
        with trio.move_on_after(self._limits.way_look_timeout):
            while True:
                await trio.lowlevel.wait_readable(sock)
                try:
                    said = sock.recv(len(nonce), socket.MSG_PEEK)
                except OSError:
                    return False
                if said == nonce:
                    sock.recv(len(nonce))  # closed with unread bytes, it would be reset
                    return True
                if not said or not nonce.startswith(said):
                    return False
                await trio.sleep(self._limits.way_look_pause)
        return False


@contextlib.asynccontextmanager
async def open_doorway(application: ApplicationSocket, limits: ClientLimits) -> AsyncIterator[Doorway]:
    """Give the doorway; on leaving, no connection is left."""
    doorway = Doorway(application, limits)
    async with trio.open_nursery() as nursery:
        try:
            # Not start(): cancelled before it has begun, it would wait for what no cancellation reaches.
            nursery.start_soon(doorway.hold, name="connections to the application")
            await doorway.is_open.wait()
            yield doorway
        finally:
            doorway.cut()
