"""Where ssh takes the relay's connections, at a path of ours: to the application, by way of us if need be.

`LinkTarget` is a link to the application's socket, so that nothing of a connection passes through this process. It
leads to a stand-in while that does not listen yet: the server tries the relay when a client registers, and without
an application ssh would fail to connect, and tell the user of an error where all is well.

`RelayedTarget` is for a socket that others could put something in the place of: ssh connects to us, and we to the
application, having looked who it is.
"""

from __future__ import annotations

import contextlib
import os
import socket
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator

import trio

from conductor_trio.client.host.application_socket import ApplicationSocket
from conductor_trio.client.transport.application_relay import ApplicationRelay, open_application_relay
from conductor_trio.limits.client import ClientLimits
from conductor_trio.net.listeners import open_unix_listener

_MODE = 0o600


class RelayTarget(ABC):
    """What ssh connects to."""

    async def run(self) -> None:
        """Serve what has to be served, until cancelled."""

    @abstractmethod
    def stand_in(self) -> None:
        """Have connections wait at a socket of ours, unless there is the application's."""

    @abstractmethod
    def lead_on(self) -> None:
        """Have connections go to the application; what waits at our socket ends."""

    def finish(self) -> None:
        """Take no more connections, and have those that are there be over soon, with what is under way."""


class LinkTarget(RelayTarget):
    """A link to the application's socket, which leads to a socket of ours for a while; to be closed."""

    def __init__(self, link: str) -> None:
        self._link = link
        self._application = os.readlink(link)
        self._place = f"{link}s"
        self._stand_in: socket.socket | None = None

    def stand_in(self) -> None:
        """Lead to a socket of ours, unless there is the application's."""
        if os.path.exists(self._application):
            self.lead_on()
            return
        if self._stand_in is not None:
            return
        self._stand_in = socket.socket(socket.AF_UNIX)
        self._stand_in.bind(self._place)
        self._stand_in.listen()
        self._lead_to(self._place)

    def lead_on(self) -> None:
        """Lead to the application."""
        if self._stand_in is not None:
            self._lead_to(self._application)
            self.close()
            os.unlink(self._place)

    def close(self) -> None:
        """Close our socket."""
        if self._stand_in is not None:
            self._stand_in.close()
            self._stand_in = None

    def _lead_to(self, path: str) -> None:
        other = f"{self._link}n"
        os.symlink(path, other)
        os.replace(other, self._link)  # at once: ssh may follow it at any time


class RelayedTarget(RelayTarget):
    """A socket of ours, from which we relay; where the application is not there, a connection ends at once."""

    def __init__(self, listener: socket.socket, relay: ApplicationRelay) -> None:
        self._listener = listener
        self._relay = relay
        self._relays = relay.make_relays()
        self._accepting = trio.CancelScope()

    async def run(self) -> None:
        """Take connections until cancelled, or `finish`."""
        with contextlib.closing(self._listener), self._accepting:  # with that ends what waits there
            await self._relay.accept(self._listener, self._relays)

    def stand_in(self) -> None:
        """Nothing: our socket is there."""

    def lead_on(self) -> None:
        """Nothing: each connection is led on when it comes."""

    def finish(self) -> None:
        """Take no more connections, and have those that are there be over soon, with what is under way."""
        self._accepting.cancel()
        self._relays.finish()


@contextlib.asynccontextmanager
async def open_relay_target(
    path: str, application: ApplicationSocket, limits: ClientLimits
) -> AsyncIterator[RelayTarget]:
    """Give what ssh is to connect to at the path; to be run. On leaving, we relay no more. Raises `StartError`."""
    if application.shared is not None:
        with open_unix_listener(path, _MODE) as listener:
            async with open_application_relay(application, limits) as relay:
                yield RelayedTarget(listener, relay)
        return
    # The path of the application's socket may be too long or too odd for a forward; that of a link to it is not.
    os.symlink(os.path.join(os.getcwd(), application.path), path)
    with contextlib.closing(LinkTarget(path)) as target:
        yield target
