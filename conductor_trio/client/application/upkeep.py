"""The upkeep of what the application needs of us: its socket, held, and the directory that we have made for it."""

from __future__ import annotations

import contextlib

import attrs
import trio

from conductor_trio.client.host.held_socket import HeldSocket
from conductor_trio.client.host.temp_directory import HeldDirectory
from conductor_trio.client.output import events
from conductor_trio.client.output.reporter import Reporter
from conductor_trio.errors import StartError, UpstreamUnavailable
from conductor_trio.limits.client import ClientLimits


@attrs.define(eq=False, kw_only=True)
class Upkeep:
    """Looks after the application's socket and, unless its user has chosen the path, after its directory."""

    socket: HeldSocket
    directory: HeldDirectory | None
    output: Reporter
    limits: ClientLimits
    _is_told: bool = attrs.field(default=False, init=False)

    async def run(self, ready: trio.Event) -> None:
        """Look now and then, for ever, from when the application listens."""
        await ready.wait()
        self.socket.hold()
        touched = trio.current_time()
        while True:
            await trio.sleep(self.limits.look_interval)
            await self._look()
            if trio.current_time() >= touched + self.limits.touch_interval:
                touched = trio.current_time()
                self.socket.touch()
                if self.directory is not None:
                    self.directory.touch()

    async def _look(self) -> None:
        if self.directory is not None:
            # Its socket can do without; what it puts beside that may need it.
            with contextlib.suppress(StartError, OSError):
                self.directory.keep()
        if self.socket.hold():
            self._is_told = False
        elif not self._is_told and await self._listens():
            self._is_told = True
            self.output.send(
                events.Warned(
                    text=f"the application's socket {self.socket.path} was removed, and it still listens; "
                    "visitors get to it all the same"
                )
            )

    async def _listens(self) -> bool:
        """Whether the application still listens where its socket was."""
        try:
            (await self.socket.connect(0)).close()
        except UpstreamUnavailable:
            return False
        return True
