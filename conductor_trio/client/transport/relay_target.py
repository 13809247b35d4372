"""Where ssh takes the relay's connections: to the application, or to ourselves where that has to be.

That is a link which ssh follows for each of them. It leads to us while the application does not listen yet, since
the server tries the relay when a client registers; while a probe is on its way; and where the application's socket
has lost its name, by which alone ssh can find it. It always leads to us where others could put a socket in the
place of the application's, and it has to be looked at who listens.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import AsyncIterator, Iterator

import trio

from conductor_trio.client.host.application_socket import ApplicationSocket
from conductor_trio.client.host.temp_directory import HeldDirectory
from conductor_trio.client.transport.doorway import Doorway, Expectation, open_doorway
from conductor_trio.errors import StartError, TransportError
from conductor_trio.limits.client import ClientLimits
from conductor_trio.net.listeners import listen_unix

_log = logging.getLogger(__name__)

_MODE = 0o600


class RelayTarget:
    """A link in a directory of ours, and the socket of ours that it may lead to; to be closed.

    Raises `StartError` where they cannot be made.
    """

    def __init__(
        self, directory: HeldDirectory, application: ApplicationSocket, doorway: Doorway, limits: ClientLimits
    ) -> None:
        self.link = f"{directory.path}/a"
        self._place = f"{directory.path}/s"
        self._directory = directory
        self._application = application
        self._limits = limits
        self._doorway = doorway
        self._relays = doorway.make_relays()
        self._accepting = trio.CancelScope()
        self._is_waiting = False  # for the application to listen
        self._is_probing = False
        self._trouble = ""  # the last that was told
        self._listener = listen_unix(self._place, _MODE)
        self._lead()

    def stand_in(self) -> None:
        """Have connections come to us, unless there is the application's socket."""
        self._is_waiting = not self._application.hold() and self._application.descriptor is None
        self._lead()

    def lead_on(self) -> None:
        """Have connections go to the application."""
        self._is_waiting = False
        self._lead()

    @contextlib.contextmanager
    def expecting(self, nonce: bytes) -> Iterator[Expectation]:
        """Within, connections come to us, and one that says the nonce goes no further; raises `TransportError`."""
        self._look()
        with self._doorway.expecting(nonce) as expectation:
            self._is_probing = True
            self._lead()
            try:
                yield expectation
            finally:
                self._is_probing = False
                self._lead()

    async def run(self) -> None:
        """Take what comes to us, and look after link, socket and directory, until `finish`.

        Raises `TransportError` where the directory is somebody else's now.
        """
        try:
            with self._accepting:
                await self._run()
        finally:
            self.close()  # with that ends what waits there

    async def _run(self) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(
                self._doorway.accept, self._listener, self._relays, name="relay target: connections"
            )
            touched = trio.current_time()
            while True:
                await trio.sleep(self._limits.look_interval)
                self._look()
                if trio.current_time() >= touched + self._limits.touch_interval:
                    touched = trio.current_time()
                    self._directory.touch()

    def finish(self) -> None:
        """Take no more connections, and have those that are there be over soon, with what is under way."""
        self._accepting.cancel()
        self._relays.finish()

    def _look(self) -> None:
        """Make again what was removed; raises `TransportError` where somebody else has made it."""
        try:
            if self._directory.keep():
                self._tell(f"{self._directory.path} was removed, and is made again")
        except StartError as error:
            raise TransportError(error.what, hop="here") from error
        except OSError as error:
            self._tell(f"{self._directory.path} cannot be made again: {error.strerror}")
            return
        if not self._listener.has_its_path():
            try:
                self._listener.listen_again(_MODE)
            except StartError as error:
                self._tell(str(error))
        self._lead()

    def _tell(self, trouble: str) -> None:
        """Tell of trouble, unless it is the same as before."""
        if trouble != self._trouble:
            _log.warning("%s", trouble)
        self._trouble = trouble

    def _lead(self) -> None:
        is_lost = not self._application.hold() and self._application.descriptor is not None
        ours = self._application.shared is not None or self._is_waiting or self._is_probing or is_lost
        path = self._place if ours else self._application.path
        with contextlib.suppress(OSError):
            if os.readlink(self.link) == path:
                return
        other = f"{self.link}n"
        try:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(other)
            os.symlink(path, other)
            os.replace(other, self.link)  # at once: ssh may follow it at any time
        except OSError as error:
            self._tell(f"cannot lead visitors to the application: {self.link}: {error.strerror}")

    def close(self) -> None:
        """Close our socket."""
        self._listener.close()


@contextlib.asynccontextmanager
async def open_relay_target(
    directory: HeldDirectory, application: ApplicationSocket, limits: ClientLimits
) -> AsyncIterator[RelayTarget]:
    """Give what ssh is to connect to; to be run. On leaving, we relay no more. Raises `StartError`."""
    async with open_doorway(application, limits) as doorway:
        with contextlib.closing(RelayTarget(directory, application, doorway, limits)) as target:
            yield target
