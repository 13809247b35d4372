"""How many sessions there may be: of one user, of one user a minute, and in all; registered or not.

What is left of a session and cannot be removed takes a place of whoever owns it, so that nobody can fill the disk,
session by session, or another user's places.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator

import attrs
import trio

from conductor_trio.errors import RegistrationRefused
from conductor_trio.limits.server import ServerLimits

_MINUTE = 60.0


@attrs.frozen(kw_only=True)
class Admission:
    """A session's place."""

    note_registered: Callable[[], None]  #: takes note that the session is registered; what is not may be less


class SessionQuotas:
    """Counts sessions by the user's id, registered or not."""

    def __init__(self, limits: ServerLimits) -> None:
        self._limits = limits
        self._by_uid: Counter[int] = Counter()
        self._left: Counter[int] = Counter()
        self._unregistered: Counter[int] = Counter()
        self._refused: Counter[int] = Counter()
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
        if self._by_uid[uid] + self._left[uid] >= limits.max_user_sessions:
            raise self._refuse(self._left[uid])
        if self._by_uid.total() >= limits.max_sessions:
            raise RegistrationRefused("the gateway has no room for another session", advice="try again later")
        if self._unregistered[uid] >= limits.max_user_unregistered:
            raise RegistrationRefused(
                f"you have {limits.max_user_unregistered} connections here that registered nothing, the most for "
                "one user",
                advice="close some",
            )
        self._count_new(uid)
        with _counted(self._by_uid, uid), contextlib.ExitStack() as unregistered:
            unregistered.enter_context(_counted(self._unregistered, uid))
            yield Admission(note_registered=unregistered.close)

    @contextlib.contextmanager
    def refusing(self, uid: int) -> Iterator[bool]:
        """Count a client that is being refused; false where a user has too many of them to wait for."""
        with _counted(self._refused, uid):
            yield self._refused[uid] <= self._limits.max_user_refused

    def charge_leftover(self, uid: int) -> None:
        """Take a place of a user for what is left of a session."""
        self._left[uid] += 1

    def credit_leftover(self, uid: int) -> None:
        """Give a place back that `charge_leftover` took."""
        _decrease(self._left, uid)

    def _refuse(self, left: int) -> RegistrationRefused:
        most = self._limits.max_user_sessions
        if not left:
            return RegistrationRefused(
                f"you have {most} sessions here, the most for one user", advice="end one first"
            )
        return RegistrationRefused(
            f"you have {most} sessions here, the most for one user, and of {left} of them, which have ended, "
            "something is left in their directories that the gateway cannot remove",
            advice="end one first, or ask its administrators to remove that",
        )

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


@contextlib.contextmanager
def _counted(counter: Counter[int], uid: int) -> Iterator[None]:
    """Count one more for a user within."""
    counter[uid] += 1
    try:
        yield
    finally:
        _decrease(counter, uid)


def _decrease(counter: Counter[int], uid: int) -> None:
    counter[uid] -= 1
    if not counter[uid]:
        del counter[uid]
