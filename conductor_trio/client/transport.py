"""What a way to the server offers, whatever it is made of."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import AbstractAsyncContextManager

from conductor_trio.errors import ConductorError
from conductor_trio.net.streams import SocketStream


class Transport(ABC):
    """A way to the server that stands; its opener ends it, and raises `TransportError` where it is lost."""

    @abstractmethod
    async def connect_control(self) -> SocketStream:
        """Connect to the server's control socket; raises `TransportError`."""

    @abstractmethod
    def open_relay(self, path: str) -> AbstractAsyncContextManager[None]:
        """Within, connections to `path` on the server's host go to the application; raises `TransportError`."""

    async def explain(self, error: ConductorError) -> ConductorError:
        """Return the error that tells the user most about what happened, given all that can be found out here."""
        return error

    def forget_warnings(self) -> None:
        """What has been said so far explains no later failure."""
