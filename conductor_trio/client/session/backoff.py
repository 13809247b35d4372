"""How long to wait before the next try: longer each time, and never two clients at the same moment."""

from __future__ import annotations

import random

from conductor_trio.limits import ClientLimits


class Backoff:
    """The pauses between dials, which grow from `redial_pause` on."""

    def __init__(self, limits: ClientLimits) -> None:
        self._limits = limits
        self._next = limits.redial_pause

    def take(self, longest: float) -> float:
        """Return the next pause in seconds, of at most `longest`."""
        pause = min(self._next, longest)
        self._next = pause * self._limits.redial_growth
        # Half of it at random: all clients of a gateway that was restarted would come back at once.
        return pause * random.uniform(0.5, 1)  # noqa: S311

    def reset(self) -> None:
        """The next pause is the shortest again."""
        self._next = self._limits.redial_pause
