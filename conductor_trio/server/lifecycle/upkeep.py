"""The upkeep of the runtime directory: what is removed from it while the server runs is made again.

Sessions that stand do without. Without the control socket nobody could come, without ``sockets`` nobody register.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import attrs
import trio

from conductor_trio.limits.server import ServerLimits
from conductor_trio.log import Logger
from conductor_trio.server.lifecycle.listeners import Listeners, WithMode
from conductor_trio.server.lifecycle.runtime_directory import RuntimeDirectory


def _do_nothing() -> None:
    pass


@attrs.define(eq=False, kw_only=True)
class Upkeep:
    """Looks now and then, for as long as this server accepts."""

    runtime: RuntimeDirectory
    listeners: Listeners
    limits: ServerLimits
    log: Logger
    others: Sequence[WithMode] = ()  #: of the runtime directory, too
    on_public: Callable[[], None] = _do_nothing  #: called when visitors have another listener
    _told: set[str] = attrs.field(factory=set, init=False)  # paths that are lost, and this was said

    async def run(self) -> None:
        """Look for ever."""
        while True:
            await trio.sleep(self.limits.runtime_look_interval)
            self._look()

    def _look(self) -> None:
        try:
            is_made = self.runtime.keep()
        except OSError as error:
            self._note(self.runtime.path, error.strerror or str(error))
            return  # where sockets belong
        if is_made:
            self._note(self.runtime.path, None)
        lost = set()
        for listener, failure in self.listeners.keep_paths(self.others):
            assert listener.path is not None
            self._note(listener.path, None if failure is None else failure.what)
            if failure is None and listener in self.listeners.public:
                self.on_public()
            lost.add(listener.path)
        self._told &= lost

    def _note(self, path: str, error: str | None) -> None:
        """Log that something was removed, and once why it cannot be made again."""
        if error is None:
            self._told.discard(path)
            self.log.warning("made_again", path=path)
        elif path not in self._told:
            self._told.add(path)
            self.log.error("lost", path=path, error=error)
