"""The interface of a transport, which is a way to the server, and the errors with which it fails."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import AbstractAsyncContextManager, AbstractContextManager

import trio

from conductor_trio.client.transport.doorway import Expectation
from conductor_trio.errors import ConductorError, TransportError
from conductor_trio.net.stream import Stream


class ServerAway(TransportError):
    """The server is not there, or has closed the control channel; the way to it may well stand."""


class LinkSilent(TransportError):
    """The link is dead, though not closed: the server hangs, or the way to it does."""


class Transport(ABC):
    """A way to the server that stands; its opener ends it, and raises `TransportError` where it is lost.

    It carries any number of control channels, each with its relay.
    """

    @abstractmethod
    async def connect_control(self) -> Stream:
        """Connect to the server's control socket; raises `TransportError`."""

    @abstractmethod
    def open_relay(self, path: str) -> AbstractAsyncContextManager[None]:
        """Within, connections to `path` on the server's host go to the application; raises `TransportError`."""

    async def admit_server(self, path: str) -> None:
        """Let the server connect to the relay socket at `path`, as far as we can; raises OSError.

        To be called where the server cannot, or does not say.
        """

    @abstractmethod
    def expecting(self, nonce: bytes) -> AbstractContextManager[Expectation]:
        """Within, a connection that comes through a relay and says the nonce is a probe, and arrives here.

        Raises `TransportError`.
        """

    async def finish(self, hurry: trio.Event) -> None:
        """Wait until the application's last words have been passed on through the relays that stood.

        For `ended_session_timeout` at most, or until `hurry`; cancelled or not. Afterwards it is of no more use.
        """

    async def explain(self, error: ConductorError, *, thorough: bool) -> ConductorError:
        """Return the error that tells the user most, which may be the same.

        `thorough` goes and looks, which takes a while.
        """
        return error

    def forget_warnings(self) -> None:
        """Forget what has been said so far, which explains no later failure."""

    def note_success(self) -> None:
        """Take note that the server has taken the last relay."""
