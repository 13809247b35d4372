"""The doorway: where connections to the application come in that pass through the client, and probes end.

A probe comes the way of a visitor, and says a nonce. Whatever else comes meanwhile goes on to the application, to
the byte, and to nobody else who listens in its place: what is looked at stays in the socket.
"""

from __future__ import annotations

import contextlib
import logging
import socket
from collections.abc import Iterator

import attrs
import trio

from conductor_trio.client.host.application_socket import ApplicationSocket, ForeignListener
from conductor_trio.errors import UpstreamUnavailable
from conductor_trio.limits.client import ClientLimits
from conductor_trio.net.relay import relay
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
    """Serves connections that are for the application."""

    def __init__(self, application: ApplicationSocket, limits: ClientLimits) -> None:
        self._application = application
        self._limits = limits
        self._buffer = SharedBuffer(limits.splice_size)
        self._expected: Expectation | None = None
        self._is_short = False  # which has been told
        self._is_foreign = False  # so has this

    @contextlib.contextmanager
    def expecting(self, nonce: bytes) -> Iterator[Expectation]:
        """Within, a connection that says the nonce is no visitor's."""
        self._expected = Expectation(nonce)
        try:
            yield self._expected
        finally:
            self._expected = None

    async def serve(self, sock: socket.socket) -> None:
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
                await relay(visitor, application, self._buffer, self._limits)

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
