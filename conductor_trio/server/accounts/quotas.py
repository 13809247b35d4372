"""How many sessions there may be: of one user, of one user a minute, and in all."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator

import attrs
import trio

from conductor_trio.errors import RegistrationRefused
from conductor_trio.limits.server import ServerLimits

_MINUTE = 60.0


@attrs.define(eq=False)
class Admission:
    """A session's place."""

    #: Set where the session leaves something behind that cannot be removed: then its place is not given back, so
    #: that a user cannot fill the disk, session by session.
    is_kept: bool = False


class SessionQuotas:
    """Counts sessions by the user's id, registered or not."""

    def __init__(self, limits: ServerLimits) -> None:
        self._limits = limits
        self._by_uid: Counter[int] = Counter()
        # Leaky buckets: how many sessions are in each, and when that was so.
        self._new: dict[int, tuple[float, float]] = {}

    @property
    def total(self) -> int:
        """How many sessions have a place."""
        return self._by_uid.total()

    @contextlib.contextmanager
    def admitted(self, uid: int) -> Iterator[Admission]:
        """Hold a place for a session; raises `RegistrationRefused` where there is none."""
        limits = self._limits
        if self._by_uid[uid] >= limits.max_user_sessions:
            raise RegistrationRefused(
                f"you have {limits.max_user_sessions} sessions here, the most for one user", advice="end one first"
            )
        if self._by_uid.total() >= limits.max_sessions:
            raise RegistrationRefused("the gateway has no room for another session", advice="try again later")
        self._count_new(uid)
        self._by_uid[uid] += 1
        admission = Admission()
        try:
            yield admission
        finally:
            if not admission.is_kept:
                self._by_uid[uid] -= 1
            if not self._by_uid[uid]:
                del self._by_uid[uid]

    def _count_new(self, uid: int) -> None:
        rate = self._limits.max_user_new_sessions / _MINUTE
        now = trio.current_time()
        level, since = self._new.get(uid, (0.0, now))
        level = max(0.0, level - (now - since) * rate) + 1
        if level > self._limits.max_user_new_sessions:
            raise RegistrationRefused(
                f"you have opened {self._limits.max_user_new_sessions} sessions here within a minute, the most "
                "for one user",
                advice="wait a moment",
            )
        if len(self._new) > self._limits.max_sessions:  # those whose bucket is empty by now
            self._new = {u: found for u, found in self._new.items() if found[1] > now - _MINUTE}
        self._new[uid] = level, now
