"""The state file: a snapshot of the routes on disk, for a successor that can no longer ask us."""

from __future__ import annotations

import contextlib
import itertools
import os
import stat
import threading

import attrs
import trio

from conductor_trio.limits.constants import MAX_LEFT_SESSIONS, MAX_SNAPSHOT_V1
from conductor_trio.limits.server import ServerLimits
from conductor_trio.log import Logger
from conductor_trio.server.orders.orders import Orders
from conductor_trio.server.orders.saved import save_orders
from conductor_trio.server.routing.feed import RouteChange
from conductor_trio.server.routing.snapshot import Snapshot, format_snapshot, parse_snapshot
from conductor_trio.server.routing.table import RouteTable

_WRITE_SHARE = 20  # writing takes at most one part in so many of the time


def limits_of_what_is_left(limits: ServerLimits) -> ServerLimits:
    """Return the limits for sessions of an earlier server, which go on though fewer are allowed by now."""
    return attrs.evolve(limits, max_sessions=MAX_LEFT_SESSIONS, max_user_sessions=MAX_LEFT_SESSIONS)


class StateFile:
    """The file, and what is to be in it."""

    def __init__(
        self, path: str, routes: RouteTable, limits: ServerLimits, log: Logger, orders: Orders | None = None
    ) -> None:
        self._path = path
        self._routes = routes
        self._orders = Orders() if orders is None else orders
        self._limits = limits
        self._log = log
        self._is_failing = False
        self._has_changed = trio.Event()
        # A thread that was given up goes on, and must not put an older state in the place of a newer one.
        self._writing = threading.Lock()
        self._numbers = itertools.count(1)  # of the snapshots
        self._written = 0  # the latest
        routes.subscribe(self._note_change)
        self._orders.subscribe(self._note_change)
        self._orders.ends.subscribe(self._note_change)

    def _note_change(self, _: RouteChange | None = None) -> None:
        self._has_changed.set()

    def read(self) -> Snapshot | None:
        """Return the snapshot that was left, None where there is none; what cannot be used is logged."""
        try:
            descriptor = os.open(self._path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            with open(descriptor, "rb") as file:
                found = os.fstat(descriptor)
                if not stat.S_ISREG(found.st_mode):
                    raise ValueError("no file")
                if found.st_uid not in (0, os.geteuid()):
                    raise ValueError("it is another user's")
                lines = iter(lambda: file.readline(MAX_SNAPSHOT_V1 + 2), b"")
                return parse_snapshot(lines, self._limits)
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            self._log.warning("state_ignored", path=self._path, error=_words(error))
            return None

    async def keep(self) -> None:
        """Write the routes whenever they have changed, for ever."""
        while True:
            await self._has_changed.wait()
            self._has_changed = trio.Event()
            begun = trio.current_time()
            await self.write()
            took = trio.current_time() - begun
            await trio.sleep(max(self._limits.state_pause, _WRITE_SHARE * took))

    async def write(self) -> None:
        """The file holds the routes as they are now, or a log entry says why not; takes a limited time.

        The disk may hang, which must not keep anybody waiting, so what takes too long is left to its thread.
        """
        snapshot, number = take_snapshot(self._routes, self._orders), next(self._numbers)
        with trio.move_on_after(self._limits.state_timeout) as deadline:
            try:
                await trio.to_thread.run_sync(self._replace, snapshot, number, abandon_on_cancel=True)
            except OSError as error:
                self._note_failure(_words(error))
            else:
                self._is_failing = False
        if deadline.cancelled_caught:
            self._note_failure("it takes too long")

    def _replace(self, snapshot: Snapshot, number: int) -> None:
        """In a thread, have the file hold the snapshot, unless it holds a later one."""
        with self._writing:
            if number > self._written:
                _replace(self._path, snapshot)
                self._written = number

    def _note_failure(self, error: str) -> None:
        if not self._is_failing:  # once, until it works again
            self._log.warning("state_not_written", path=self._path, error=error)
        self._is_failing = True


def take_snapshot(routes: RouteTable, orders: Orders) -> Snapshot:
    """Return what the next server has to know, as it is now."""
    return attrs.evolve(routes.snapshot(), orders=save_orders(orders))


def _words(error: OSError | ValueError) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def _replace(path: str, snapshot: Snapshot) -> None:
    """The file holds the snapshot and nobody else may read it, or what it held before; nothing is no file."""
    if not snapshot.routes and not snapshot.orders:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        return
    new = f"{path}.new"
    with contextlib.suppress(FileNotFoundError):
        os.unlink(new)
    try:
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with open(descriptor, "wb") as file:
            os.fchmod(descriptor, 0o600)  # whatever the umask
            file.writelines(format_snapshot(snapshot))
        os.rename(new, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(new)
        raise
