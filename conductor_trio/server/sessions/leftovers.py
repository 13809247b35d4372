"""Session directories that could not be removed at their sessions' end, since something is in them.

What is in there is removed later, in a thread and without recursion. What cannot be (a mount, a directory that is
not empty) takes a place of whoever owns it for as long as it stays, and never one of the session's user where it
was somebody else who has put it there.
"""

from __future__ import annotations

import contextlib
import os
from collections import deque

import attrs
import trio

from conductor_trio.limits.server import ServerLimits
from conductor_trio.log import Logger
from conductor_trio.server.accounts.quotas import SessionQuotas
from conductor_trio.server.sessions.directory import clear_directory

_Owners = frozenset[int]


@attrs.define(eq=False)
class _Leftover:
    """A directory that could not be removed."""

    path: str
    only_user: int | None  # who alone could add to it; None where everybody could
    charged: _Owners = frozenset()


class Leftovers:
    """Removes what is left, sooner or later, and charges it to its owners meanwhile."""

    def __init__(self, quotas: SessionQuotas, limits: ServerLimits, log: Logger) -> None:
        self._quotas = quotas
        self._limits = limits
        self._log = log
        self._new: deque[_Leftover] = deque()
        self._has_new = trio.Event()
        self._known: deque[_Leftover] = deque()  # the next to be visited first
        # What others mount in there can hang, which is to hold up neither other threads nor all other visits.
        self._threads = trio.CapacityLimiter(4)

    def __len__(self) -> int:
        """Return how many directories are left."""
        return len(self._new) + len(self._known)

    def take(self, path: str, only_user: int | None) -> None:
        """Look after a directory, closed to others by now, to which nobody but `only_user` could add, if given."""
        if len(self) >= self._limits.max_leftovers:
            self._log.warning("directory_left", path=path, error="there are too many to look after")
            return
        leftover = _Leftover(path, only_user)
        if only_user is not None:
            self._charge(leftover, frozenset({only_user}))
        self._new.append(leftover)
        self._has_new.set()

    async def run(self) -> None:
        """Visit each when it comes, and then again and again, for ever."""
        limits = self._limits
        next_round = trio.current_time() + limits.leftover_interval
        while True:
            with trio.move_on_at(next_round):
                await self._has_new.wait()
            self._has_new = trio.Event()
            while self._new:
                await self._visit(self._new.popleft(), is_first=True)
            if trio.current_time() >= next_round:
                for _ in range(min(len(self._known), limits.max_leftover_visits)):
                    await self._visit(self._known.popleft(), is_first=False)
                next_round = trio.current_time() + limits.leftover_interval

    async def _visit(self, leftover: _Leftover, *, is_first: bool) -> None:
        """Remove what can be removed; what stays is known from now on."""
        self._known.append(leftover)  # whatever interrupts us
        limits, error = self._limits, "it takes too long to look at it"
        owners: _Owners | None = leftover.charged
        with trio.move_on_after(limits.leftover_timeout):
            try:
                owners = await trio.to_thread.run_sync(
                    _clear, leftover, limits.max_leftover_removals, abandon_on_cancel=True, limiter=self._threads
                )
                error = "something is in it that cannot be removed"
            except OSError as failure:
                error = str(failure.strerror)
        if owners is None:
            self._known.remove(leftover)
        self._charge(leftover, owners or frozenset())
        if is_first and owners is not None:
            self._log.warning("directory_left", path=leftover.path, owners=sorted(owners), error=error)

    def _charge(self, leftover: _Leftover, owners: _Owners) -> None:
        for uid in owners - leftover.charged:
            self._quotas.charge_leftover(uid)
        for uid in leftover.charged - owners:
            self._quotas.credit_leftover(uid)
        leftover.charged = owners


def _clear(leftover: _Leftover, max_entries: int) -> _Owners | None:
    """Remove a directory, or what can be removed of it; return whose the rest is, None where there is none."""
    path = leftover.path
    try:
        staying = clear_directory(path, max_entries)
        with contextlib.suppress(OSError):
            os.rmdir(path)
            return None
    except FileNotFoundError:
        return None
    if leftover.only_user is not None:
        return frozenset({leftover.only_user})
    owners = set()
    for name in staying:
        with contextlib.suppress(OSError):
            owners.add(os.lstat(os.path.join(path, name)).st_uid)
    return frozenset(owners)
