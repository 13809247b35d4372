"""Users of this host, by their ids: names, and the groups of which something is said.

A directory service can take seconds, or hang: it is asked in threads, few of them, one for each user, and for a
limited time; what it has said is believed for a while.
"""

from __future__ import annotations

import grp
import os
import pwd
import socket

import attrs
import trio

from conductor_trio.errors import RegistrationRefused
from conductor_trio.limits.server import ServerLimits
from conductor_trio.net.peer_credentials import peer_groups

_THREADS = 8

#: A user's id, and the groups of the process that has connected.
_Key = tuple[int, frozenset[int]]


@attrs.frozen(kw_only=True)
class User:
    """A user, and those groups of theirs that were asked for."""

    name: str
    groups: frozenset[str]


class UserDirectory:
    """Looks users up, and in which of `groups` they are."""

    def __init__(self, groups: frozenset[str], limits: ServerLimits) -> None:
        self._groups = groups
        self._limits = limits
        # Apart from the other threads: a directory service that hangs must not hold up anything else.
        self._threads = trio.CapacityLimiter(_THREADS)
        self._known: dict[_Key, tuple[User, float]] = {}  # and since when, the oldest first
        # Held by who looks a user up. Who waits for it goes on one by one: a user can have a thousand clients come
        # at once, each of which makes a directory next.
        self._locks: dict[_Key, trio.Lock] = {}

    @property
    def running(self) -> int:
        """How many threads look up a user at this moment."""
        return self._threads.borrowed_tokens

    async def look_up(self, uid: int, sock: socket.socket) -> User:
        """Return the user of that id, who has connected `sock`; raises `RegistrationRefused`.

        They are in a group where the kernel says so of the process that has connected, or the directory service
        of the user: a process may have left a group, and a user may have been put into one since they logged in.
        """
        key = uid, peer_groups(sock) if self._groups else frozenset()
        with trio.move_on_after(self._limits.user_lookup_timeout):
            return await self._find(key)
        if key in self._known:
            return self._known[key][0]  # what was so lately is better than to refuse everybody
        raise RegistrationRefused("the gateway could not look up your user name in time", advice="try again")

    async def _find(self, key: _Key) -> User:
        if (user := self._find_known(key)) is not None:
            return user
        lock = self._locks.setdefault(key, trio.Lock())
        try:
            async with lock:
                return self._find_known(key) or await self._ask(key)
        finally:
            if not lock.locked():
                self._locks.pop(key, None)

    def _find_known(self, key: _Key) -> User | None:
        user, since = self._known.get(key, (None, 0.0))
        return user if trio.current_time() - since < self._limits.user_memory else None

    async def _ask(self, key: _Key) -> User:
        try:
            user = await trio.to_thread.run_sync(
                _read, *key, self._groups, abandon_on_cancel=True, limiter=self._threads
            )
        except KeyError:
            raise RegistrationRefused(f"the gateway knows no user with the id {key[0]}") from None
        self._known.pop(key, None)
        self._known[key] = user, trio.current_time()
        if len(self._known) > self._limits.max_known_users:
            del self._known[next(iter(self._known))]
        return user


def _read(uid: int, of_process: frozenset[int], groups: frozenset[str]) -> User:
    """In a thread, ask the directory service; raises KeyError where it knows no such user."""
    entry = pwd.getpwuid(uid)
    if not groups:
        return User(name=entry.pw_name, groups=frozenset())
    ids = of_process.union(os.getgrouplist(entry.pw_name, entry.pw_gid))
    return User(name=entry.pw_name, groups=frozenset(group for group in groups if find_group(group) in ids))


def find_group(name: str) -> int | None:
    """Return a group's id, None where there is none of that name; this may block."""
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        return None
