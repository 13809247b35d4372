"""Throttling of token guesses, for each peer and route; a right token is never made to wait."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable

from conductor_trio.limits.server import ServerLimits


class TokenThrottle:
    """A leaky bucket of failures for each key, in which a failure beyond its size has to wait."""

    def __init__(self, limits: ServerLimits) -> None:
        self._limits = limits
        self._failures: OrderedDict[Hashable, tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        """Return for how many keys failures are remembered."""
        return len(self._failures)

    def note_failure(self, key: Hashable, now: float) -> float:
        """Count a failure at the time `now` (seconds), and return how long its answer has to wait."""
        level, since = self._failures.pop(key, (0.0, now))
        level = max(0.0, level - (now - since) / self._limits.token_failure_interval) + 1
        self._failures[key] = (level, now)
        if len(self._failures) > self._limits.max_throttled_peers:
            self._failures.popitem(last=False)
        excess = level - self._limits.max_token_failures
        return min(max(0.0, excess * self._limits.token_failure_interval), self._limits.max_token_failure_wait)
