"""A UNIX socket that is held, so that it can be connected to though its name is gone.

Whatever cleans up removes names, and not the sockets that processes listen on: a descriptor of the file
(O_PATH, open(2)) leads there as long as somebody listens.
"""

from __future__ import annotations

import contextlib
import os
import stat
import time

from conductor_trio.limits.constants import MAX_SOCKET_PATH
from conductor_trio.net.stream import SocketStream
from conductor_trio.net.unix import connect_unix


class HeldSocket:
    """The socket that somebody else has bound, or will bind, at a path; to be closed.

    `path` is absolute, so that it means the same when the working directory is gone.
    """

    def __init__(self, path: str) -> None:
        self.path = _absolute(path)
        self._descriptor: int | None = None
        self._file: os.stat_result | None = None

    @property
    def descriptor(self) -> int | None:
        """Leads to the socket that was last at its path; None where none was held."""
        return self._descriptor

    def hold(self) -> bool:
        """Hold the socket that is at the path now; return whether there is one that it may be.

        Where somebody else has the path now, it is not what was held.
        """
        try:
            found = os.stat(self.path)
            if self._file is not None and os.path.samestat(found, self._file):
                return True
            known = found.st_uid if self._file is None else self._file.st_uid
            if not stat.S_ISSOCK(found.st_mode) or found.st_uid not in (known, os.geteuid(), 0):
                return False
        except OSError:
            return False
        with contextlib.suppress(OSError):  # no descriptor left: while its name is there, it can do without
            descriptor = os.open(self.path, os.O_PATH | os.O_CLOEXEC)
            self.close()
            self._descriptor, self._file = descriptor, os.fstat(descriptor)
        return True

    def for_child(self) -> tuple[str, list[int]]:
        """Return the path under which a child process finds it, and the descriptors that it is to inherit."""
        if self.hold() or self._descriptor is None:
            return self.path, []
        return f"/proc/self/fd/{self._descriptor}", [self._descriptor]

    def touch(self) -> None:
        """Let it look used to whoever removes what was not used for long."""
        now = time.time_ns()
        with contextlib.suppress(OSError):
            os.utime(self.path, ns=(now, now))

    async def connect(self, connect_timeout: float) -> SocketStream:
        """Connect to it, whether or not its name is there; raises `UpstreamUnavailable`."""
        is_there = self.hold()
        if self._descriptor is not None and (not is_there or len(os.fsencode(self.path)) > MAX_SOCKET_PATH):
            return await connect_unix(f"/proc/self/fd/{self._descriptor}", connect_timeout=connect_timeout)
        return await connect_unix(self.path, connect_timeout=connect_timeout)

    def close(self) -> None:
        """Hold it no longer."""
        if self._descriptor is not None:
            os.close(self._descriptor)
        self._descriptor = self._file = None


def _absolute(path: str) -> str:
    try:
        return os.path.join(os.getcwd(), path)
    except OSError:  # the working directory is gone already
        return path
