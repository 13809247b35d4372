"""What a server leaves to its successor of the routes that are about to come back: host names and token hashes."""

from __future__ import annotations

import contextlib
import json
import os
import stat
import time

import attrs
import trio

from conductor_trio.access.grants import describe_saved, parse_saved
from conductor_trio.access.tokens import is_token_hash
from conductor_trio.limits import ServerLimits
from conductor_trio.log import Logger
from conductor_trio.server.routing.routes import SavedRoute
from conductor_trio.server.routing.table import RouteTable

MAX_STATE = 64 << 20  # bytes; ten times what max_sessions routes take
_MAX_TIME = 1e11  # Unix time of the year 5138
_WRITE_SHARE = 20  # writing takes at most one part in so many of the time


@attrs.frozen(kw_only=True)
class SavedState:
    """The routes of a server at a time (Unix time)."""

    since: float
    routes: tuple[SavedRoute, ...]


def current_state(routes: RouteTable) -> SavedState:
    """Return the routes as they are now."""
    return SavedState(since=time.time(), routes=routes.snapshot())


def format_state(state: SavedState) -> bytes:
    """Write a state as one line of JSON."""
    routes = [
        {"hosts": route.hosts, "auth": route.token_hash, "shares": list(map(describe_saved, route.shares))}
        for route in state.routes
    ]
    return json.dumps({"since": state.since, "routes": routes}).encode() + b"\n"


def parse_state(data: bytes) -> SavedState:
    """Read what `format_state` wrote; raises ValueError for anything else."""
    try:
        match json.loads(data):
            case {"since": int() | float() as since, "routes": list() as routes} if 0 <= since < _MAX_TIME:
                return SavedState(since=float(since), routes=tuple(map(_parse_route, routes)))
    except RecursionError:
        pass
    raise ValueError("no list of routes")


def _parse_route(value: object) -> SavedRoute:
    match value:
        case {"hosts": [str(), *_] as hosts, "auth": str() as auth, **more} if is_token_hash(auth):
            shares = more.get("shares", [])  # an earlier version left none
            if all(isinstance(host, str) and host for host in hosts) and isinstance(shares, list):
                return SavedRoute(hosts=tuple(hosts), token_hash=auth, shares=tuple(map(parse_saved, shares)))
    raise ValueError("no route")


class StateFile:
    """The state on disk, for a successor that can no longer ask us."""

    def __init__(self, path: str, log: Logger) -> None:
        self._path = path
        self._log = log
        self._is_failing = False

    def read(self) -> SavedState | None:
        """Return the state that was left, None where there is none; what cannot be used is logged."""
        try:
            descriptor = os.open(self._path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            with open(descriptor, "rb") as file:
                if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                    raise ValueError("no file")
                return parse_state(file.read(MAX_STATE))
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            self._log.warning("state_ignored", path=self._path, error=_words(error))
            return None

    async def keep(self, routes: RouteTable, limits: ServerLimits) -> None:
        """Write the routes whenever they have changed, for ever."""
        while True:
            await routes.wait_changed()
            begun = trio.current_time()
            await self.write(routes, limits)
            took = trio.current_time() - begun
            await trio.sleep(max(limits.state_pause, _WRITE_SHARE * took))

    async def write(self, routes: RouteTable, limits: ServerLimits) -> None:
        """The file holds the routes as they are now, or a log entry says why not; takes a limited time.

        The disk may hang, which must not keep anybody waiting, so what takes too long is left to its thread.
        """
        state = current_state(routes)
        with trio.move_on_after(limits.state_timeout) as deadline:
            try:
                await trio.to_thread.run_sync(_replace, self._path, state, abandon_on_cancel=True)
            except OSError as error:
                self._note_failure(_words(error))
            else:
                self._is_failing = False
        if deadline.cancelled_caught:
            self._note_failure("it takes too long")

    def _note_failure(self, error: str) -> None:
        if not self._is_failing:  # once, until it works again
            self._log.warning("state_not_written", path=self._path, error=error)
        self._is_failing = True


def _words(error: OSError | ValueError) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def _replace(path: str, state: SavedState) -> None:
    """The file holds the state and nobody else may read it, or what it held before; no routes are no file."""
    if not state.routes:
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
            file.write(format_state(state))
        os.rename(new, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(new)
        raise
