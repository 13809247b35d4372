"""What runs at this moment in the data plane, and whether the server is about to end."""

from __future__ import annotations

import attrs
import trio


@attrs.define(eq=False)
class Activity:
    """The numbers of visitors, exchanges and tunnels, and the state of the drain."""

    turned_away: int = 0  #: connections that are being told that there is no place for them
    exchanges: int = 0  #: requests that are being served, those that are parked among them
    tunnels: int = 0  #: connections that have become one, session pages that somebody looks at among them
    partial_heads: int = 0  #: requests of which not all lines have come
    is_draining: bool = False
    draining: trio.Event = attrs.field(factory=trio.Event)  #: set with `is_draining`, which costs less to ask
    _exchange_ended: trio.Event | None = attrs.field(default=None, init=False)  # somebody waits for it

    def end_exchange(self) -> None:
        """Count an exchange no longer."""
        self.exchanges -= 1
        if self._exchange_ended is not None:
            self.note_change()

    def note_change(self) -> None:
        """Have those look again who wait for exchanges to end: one has, or it is parked."""
        if self._exchange_ended is not None:
            self._exchange_ended.set()
            self._exchange_ended = None

    async def wait_change(self) -> None:
        """Return once an exchange has ended or was parked."""
        if self._exchange_ended is None:
            self._exchange_ended = trio.Event()
        await self._exchange_ended.wait()
