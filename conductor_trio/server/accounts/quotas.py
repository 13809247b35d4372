"""How many sessions there may be: of one user, of one user a minute, and in all; registered or not.

Those that are there when less is allowed, after a reload, go on until they end, and so do those that come back.

What is left of a session and cannot be removed takes a place of whoever owns it, so that nobody can fill the disk,
session by session, or another user's places.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator

import attrs
import trio

from conductor_trio.errors import ADMINISTRATORS, RegistrationRefused
from conductor_trio.limits.server import ServerLimits

_MINUTE = 60.0


@attrs.frozen(kw_only=True)
class Allowance:
    """What a user may have; None is what everybody may.

    `standing` of their sessions have not ended, of which `returning` are expected back: these are let in though
    the user is not admitted any more, or has more than is allowed by now.
    """

    is_admitted: bool = True
    max_sessions: int | None = None
    max_new_sessions: int | None = None
    standing: int = 0
    returning: int = 0


class Admission:
    """A session's place, from the moment that it is known whose it is; before, a connection that is on its way."""

    def __init__(
        self, quotas: SessionQuotas, uid: int, place: contextlib.ExitStack, registered: Callable[[], None]
    ) -> None:
        self._quotas = quotas
        self._uid = uid
        self._place = place
        self._only_return: RegistrationRefused | None = None
        #: Takes note that the session is registered; of what is not, there may be less.
        self.note_registered = registered

    def identify(self, allowance: Allowance) -> None:
        """Raise `RegistrationRefused` where the user can have no session here, be it one that returns."""
        refusal = self._quotas.find_refusal(self._uid, allowance)
        if refusal is not None and not (allowance.returning if allowance.is_admitted else allowance.standing):
            raise refusal
        self._only_return = refusal
        self._place.enter_context(self._quotas.counted(self._uid))

    def check_new(self) -> None:
        """Raise `RegistrationRefused` where the user can have no session but those that return."""
        if self._only_return is not None:
            raise self._only_return


class SessionQuotas:
    """Counts sessions by the user's id, registered or not."""

    def __init__(self, limits: ServerLimits) -> None:
        self._limits = limits
        self._by_uid: Counter[int] = Counter()
        self._left: Counter[int] = Counter()
        self._unregistered: Counter[int] = Counter()
        self._arriving: Counter[int] = Counter()
        self._refused: Counter[int] = Counter()
        # Leaky buckets: how many sessions are in each, and when that was so.
        self._new: dict[int, tuple[float, float]] = {}

    @property
    def total(self) -> int:
        """How many sessions have a place."""
        return self._by_uid.total()

    @contextlib.contextmanager
    def arriving(self, uid: int) -> Iterator[bool]:
        """Count a connection that waits for its user's turn; false where too many do, of the user or in all."""
        with _counted(self._arriving, uid):
            limits = self._limits
            few = self._arriving[uid] <= limits.max_user_sessions
            yield few and self._arriving.total() <= limits.max_sessions

    @contextlib.contextmanager
    def admitted(self, uid: int, returning: int = 0) -> Iterator[Admission]:
        """Hold a place for a session that `identify` takes; `returning` of all sessions are expected back.

        Raises `RegistrationRefused` where there is none, whoever it is.
        """
        if self.total >= self._limits.max_sessions and not returning:
            # Their own bound, where that is reached, is what they can do something about.
            raise self._find_user_bound(uid, self._limits.max_user_sessions) or _no_room()
        most = self._limits.max_user_unregistered
        if self._unregistered[uid] >= most + returning:
            raise RegistrationRefused(
                f"you have {most} connections here that registered nothing, the most for one user",
                advice="close some",
            )
        with contextlib.ExitStack() as place, contextlib.ExitStack() as unregistered:
            unregistered.enter_context(_counted(self._unregistered, uid))
            yield Admission(self, uid, place, unregistered.close)

    def counted(self, uid: int) -> contextlib.AbstractContextManager[None]:
        """Count a session of a user within."""
        return _counted(self._by_uid, uid)

    def find_refusal(self, uid: int, allowance: Allowance) -> RegistrationRefused | None:
        """Return why a user can have no further session."""
        if not allowance.is_admitted:
            return RegistrationRefused("this gateway is not open to you", advice=f"ask {ADMINISTRATORS}")
        limits = self._limits
        bound = self._find_user_bound(uid, allowance.max_sessions or limits.max_user_sessions)
        if bound is not None:
            return bound
        if self.total >= limits.max_sessions:
            return _no_room()
        return self._count_new(uid, allowance.max_new_sessions or limits.max_user_new_sessions)

    def _find_user_bound(self, uid: int, most: int) -> RegistrationRefused | None:
        left = self._left[uid]
        return _too_many(most, left) if self._by_uid[uid] + left >= most else None

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

    def _count_new(self, uid: int, most: int) -> RegistrationRefused | None:
        rate = most / _MINUTE
        now = trio.current_time()
        level, since = self._new.get(uid, (0.0, now))
        level = max(0.0, level - (now - since) * rate) + 1
        if level > most:
            return RegistrationRefused(
                f"you have opened {most} sessions here within a minute, the most for one user",
                advice="wait a moment",
            )
        if len(self._new) > self._limits.max_sessions:  # those whose bucket is empty by now
            self._new = {u: found for u, found in self._new.items() if found[1] > now - _MINUTE}
        self._new[uid] = level, now
        return None


def _no_room() -> RegistrationRefused:
    return RegistrationRefused("the gateway has no room for another session", advice="try again later")


def _too_many(most: int, left: int) -> RegistrationRefused:
    if not left:
        return RegistrationRefused(f"you have {most} sessions here, the most for one user", advice="end one first")
    return RegistrationRefused(
        f"you have {most} sessions here, the most for one user, and of {left} of them, which have ended, "
        "something is left in their directories that the gateway cannot remove",
        advice=f"end one first, or ask {ADMINISTRATORS} to remove that",
    )


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
