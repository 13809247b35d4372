"""A UNIX socket that is held, so that it can be connected to though its name is gone.

Whatever cleans up removes names, and not the sockets that processes listen on: a descriptor of the file
(O_PATH, open(2)) leads there as long as somebody listens.
"""

from __future__ import annotations

import contextlib
import os
import stat
import time

from conductor_trio.errors import UpstreamUnavailable
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
            found = self._look()
        except OSError:
            return False
        if self._file is not None and os.path.samestat(found, self._file):
            return True
        if not stat.S_ISSOCK(found.st_mode) or not self._may_be(found.st_uid):
            return False
        with contextlib.suppress(OSError):  # no descriptor left: while its name is there, it can do without
            descriptor = self._open()
            self._release()
            self._descriptor, self._file = descriptor, os.fstat(descriptor)
            return os.path.samestat(found, self._file)
        return True

    def _look(self) -> os.stat_result:
        """Return the status of what is at the path; raises OSError."""
        return os.stat(self.path)

    def _open(self) -> int:
        """Return a descriptor of what is at the path; raises OSError."""
        return os.open(self.path, os.O_PATH | os.O_CLOEXEC)

    def _may_be(self, uid: int) -> bool:
        """Whether another socket at the path, of that user's, may be its successor."""
        known = uid if self._file is None else self._file.st_uid
        return uid in (known, os.geteuid(), 0)

    def for_child(self) -> tuple[str, list[int]]:
        """Return the path under which a child process finds it, and the descriptors that it is to inherit."""
        if self.hold() or self._descriptor is None:
            return self.path, []
        return f"/proc/self/fd/{self._descriptor}", [self._descriptor]

    def touch(self) -> None:
        """Let it look used to whoever removes what was not used for long."""
        self.hold()
        if self._descriptor is not None:
            now = time.time_ns()
            with contextlib.suppress(OSError):
                os.utime(f"/proc/self/fd/{self._descriptor}", ns=(now, now))

    async def connect(self, connect_timeout: float) -> SocketStream:
        """Connect to it, whether or not its name is there; raises `UpstreamUnavailable`."""
        is_there = self.hold()
        if self._descriptor is not None and (not is_there or len(os.fsencode(self.path)) > MAX_SOCKET_PATH):
            return await self._connect_held(connect_timeout)
        return await connect_unix(self.path, connect_timeout=connect_timeout)

    async def _connect_held(self, connect_timeout: float) -> SocketStream:
        assert self._descriptor is not None
        try:
            descriptor = os.dup(self._descriptor)  # another one may be held before we are done
        except OSError as error:
            raise UpstreamUnavailable(f"no descriptor left: {error.strerror}", status=503) from error
        try:
            return await connect_unix(f"/proc/self/fd/{descriptor}", connect_timeout=connect_timeout)
        finally:
            os.close(descriptor)

    def close(self) -> None:
        """Hold it no longer."""
        self._release()

    def _release(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
        self._descriptor = self._file = None


def _absolute(path: str) -> str:
    try:
        return os.path.join(os.getcwd(), path)
    except OSError:  # the working directory is gone already
        return path
