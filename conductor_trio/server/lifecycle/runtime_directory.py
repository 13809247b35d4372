"""The runtime directory: who accepts on it, who still uses it, and what a crashed server left there.

Two locks (flock(2)), both gone with the processes that hold them:

- on ``sockets``, which no other user can open, the *ownership lock*: whoever holds it accepts. It is handed on
  with the descriptor, so that there is no moment in which a third server could take it.
- on the directory itself, shared by every server that is alive. One that drains has released its ownership, and
  its sessions still use their directories, so only a server that is alone sweeps.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import time
from collections.abc import Iterator

from conductor_trio.errors import StartError
from conductor_trio.limits.constants import MAX_OWNERSHIP_ATTEMPTS, MAX_SOCKET_PATH, OWNERSHIP_PAUSE, RELAY_NAME
from conductor_trio.server.sessions.directory import (
    LONGEST_NAME,
    find_session_directories,
    remove_session_directory,
)


class RuntimeDirectory:
    """A server's hold on its runtime directory; `open_runtime_directory` makes it and ends it."""

    def __init__(self, path: str) -> None:
        self.path = path
        #: Session directories of a server that crashed which could not be removed, since something is in them.
        self.left: list[str] = []
        self._ownership: int | None = None
        self._alive: int | None = None
        self._made: list[str] = []

    @property
    def sockets(self) -> str:
        """Where the sessions' directories are."""
        return os.path.join(self.path, "sockets")

    @property
    def excess_length(self) -> int:
        """By how many bytes the longest path of a relay socket in it is too long; 0 or less where it fits."""
        longest = os.path.join(self.sockets, "x" * LONGEST_NAME, RELAY_NAME)
        return len(os.fsencode(longest)) - MAX_SOCKET_PATH

    @property
    def control(self) -> str:
        """The control socket's path: the control channel's contract."""
        return os.path.join(self.path, "client")

    @property
    def admin(self) -> str:
        """The path of the socket at which the operator gives commands."""
        return admin_path(self.path)

    @property
    def handover(self) -> str:
        """The path of the socket at which a successor asks for our listeners."""
        return handover_path(self.path)

    @property
    def state(self) -> str:
        """The path of the file from which a successor knows which routes are about to come back."""
        return os.path.join(self.path, "state.json")

    @property
    def ownership(self) -> int:
        """The descriptor whose holder accepts."""
        assert self._ownership is not None
        return self._ownership

    def acquire_ownership(self) -> None:
        """Be the one that accepts, in directories that are made where they are missing; raises OSError."""
        for attempt in range(MAX_OWNERSHIP_ATTEMPTS):
            self._make_directory(self.path, 0o755)
            self._make_directory(self.sockets, 0o771)
            try:
                self._ownership = _lock(self.sockets)
                return
            except (BlockingIOError, FileNotFoundError):
                if attempt == MAX_OWNERSHIP_ATTEMPTS - 1:
                    raise
                time.sleep(OWNERSHIP_PAUSE)

    def note_alive(self) -> bool:
        """Show on the directory that a server is alive; return whether none other is. Raises OSError."""
        alive = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self.forget_alive()
        self._alive = alive
        return _is_alone(alive)

    def forget_alive(self) -> None:
        """Show it no longer."""
        if self._alive is not None:
            os.close(self._alive)
            self._alive = None

    def keep(self) -> bool:
        """Have the directories be there where they were removed; return whether they had to be made again.

        Raises OSError, BlockingIOError where another server has made them.
        """
        if self._ownership is None:
            return False
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.stat(self.sockets), os.fstat(self._ownership)):
                return False
        self._make_directory(self.path, 0o755)
        self._make_directory(self.sockets, 0o771)
        descriptor = _lock(self.sockets)
        # The same number, under which a hand-over knows it.
        os.dup2(descriptor, self._ownership, inheritable=False)
        os.close(descriptor)
        self.note_alive()
        return True

    def adopt_ownership(self, ownership: int) -> None:
        """Be the one that accepts when the predecessor that lent us its lock has released it."""
        self._ownership = os.dup(ownership)

    def release_ownership(self) -> None:
        """Let another server accept; one that was handed our lock has it for itself."""
        if self._ownership is not None:
            os.close(self._ownership)  # no LOCK_UN, which would take it from a successor, too
            self._ownership = None

    def remove_empty(self) -> None:
        """Remove what was made here, unless another server accepts, or something is in it."""
        if self._ownership is None:
            with contextlib.suppress(OSError):
                self._ownership = _lock(self.sockets)
        if self._ownership is not None:
            for path in reversed(self._made):
                with contextlib.suppress(OSError):
                    os.rmdir(path)

    def _make_directory(self, path: str, mode: int) -> None:
        """Make a directory, and those above it that are missing."""
        above = os.path.dirname(path)
        if not os.path.lexists(above):
            self._make_directory(above, 0o755)
        try:
            os.mkdir(path, mode)
        except FileExistsError:
            if not os.path.isdir(path):
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR)) from None
            return
        self._made.append(path)
        os.chmod(path, mode)  # whatever the umask


def handover_path(runtime_dir: str) -> str:
    """Return the path of the socket at which a server hands over."""
    return os.path.join(runtime_dir, "handover")


def admin_path(runtime_dir: str) -> str:
    """Return the path of the socket at which a server takes the operator's commands."""
    return os.path.join(runtime_dir, "admin")


@contextlib.contextmanager
def open_runtime_directory(path: str, *, ownership: int | None = None) -> Iterator[RuntimeDirectory]:
    """Hold the runtime directory as the one server that accepts, by a predecessor's lock if it lent us that.

    What a crashed server left there is removed. Raises `StartError`. On leaving, what this server made is removed,
    unless another accepts there, or something that is not ours is in it.
    """
    runtime = RuntimeDirectory(path)
    if (excess := runtime.excess_length) > 0:
        raise StartError(f"runtime directory {path}: its path is {excess} bytes too long for sockets in it")
    with contextlib.ExitStack() as stack:
        stack.callback(runtime.release_ownership)
        stack.callback(runtime.remove_empty)
        try:
            if ownership is None:
                runtime.acquire_ownership()
            else:
                runtime.adopt_ownership(ownership)
            stack.callback(runtime.forget_alive)
            is_alone = runtime.note_alive()
            if not os.access(path, os.W_OK | os.X_OK) or not os.access(runtime.sockets, os.W_OK | os.X_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
            if is_alone:
                found = find_session_directories(runtime.sockets)
                runtime.left = [left for left in found if not remove_session_directory(left)]
        except BlockingIOError:
            raise StartError(f"runtime directory {path}: another server is running on it") from None
        except OSError as error:
            raise StartError(f"runtime directory {path}: {error.strerror}") from error
        yield runtime


def _lock(sockets: str) -> int:
    """Return a descriptor that holds the ownership lock; raises BlockingIOError where another one does.

    The directory must be ours: its owner could rearrange the sessions', or have led us elsewhere by a link.
    """
    descriptor = os.open(sockets, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if (uid := os.fstat(descriptor).st_uid) != os.geteuid():
            raise PermissionError(errno.EACCES, f"{sockets} belongs to another user (id {uid})")
        if not os.path.samestat(os.fstat(descriptor), os.stat(sockets)):  # its last user has just removed it
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        os.fchmod(descriptor, 0o771)  # enter, but not list
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _is_alone(alive: int) -> bool:
    """Whether no other server uses the directory; none that comes will believe it is alone, either."""
    try:
        fcntl.flock(alive, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    except BlockingIOError:
        return False
    finally:
        # Every user may open this directory and so hold the lock, which only keeps us from sweeping.
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(alive, fcntl.LOCK_SH | fcntl.LOCK_NB)
