"""The client's back-off: how long it waits before it retries, that is, before it reconnects after a lost link.

Each pause is longer than the one before by `redial_growth`, up to a longest one, and part of it is random, so that
the clients of a gateway that was restarted do not all reconnect at the same moment. There are two back-offs, one
between dials, each of which may cost a login over SSH, one between control channels over a transport that stands.
"""

from __future__ import annotations

import random

from conductor_trio.limits.client import ClientLimits


class Backoff:
    """Pauses between retries, which grow from `redial_pause` on."""

    def __init__(self, limits: ClientLimits) -> None:
        self._limits = limits
        self._next = limits.redial_pause

    def take(self, longest: float) -> float:
        """Return the next pause in seconds, of at most `longest`."""
        pause = min(self._next, longest)
        self._next = pause * self._limits.redial_growth
        return pause * random.uniform(1 - self._limits.redial_jitter, 1)  # noqa: S311

    def reset(self) -> None:
        """Begin with the shortest pause again."""
        self._next = self._limits.redial_pause


class SessionBackoff:
    """The back-off of one session: chosen by what is to be tried again, and by why it failed."""

    def __init__(self, limits: ClientLimits) -> None:
        self._limits = limits
        self._redial = Backoff(limits)
        self._reopen = Backoff(limits)

    def before_redial(self) -> float:
        """Return the pause before another transport is dialled."""
        return self._redial.take(self._limits.max_redial_pause)

    def before_reopen(self, *, is_away: bool) -> float:
        """Return the pause before another control channel over the same transport.

        A server that is merely away is looked for more often than one that refused us.
        """
        return self._reopen.take(self._limits.max_reopen_pause if is_away else self._limits.max_redial_pause)

    def note_outage(self) -> None:
        """Begin with the shortest pause again, since what stood was lost only now."""
        self._reopen.reset()

    def note_dialled(self) -> None:
        """Begin with the shortest pause again over a new transport."""
        self._reopen.reset()

    def note_accepted(self) -> None:
        """Begin with the shortest pause again between dials, since the server has accepted us."""
        self._redial.reset()
