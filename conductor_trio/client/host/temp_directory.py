"""Temporary directories of mode 0700 for our sockets, with short and plain paths, which live as long as we do.

What cleans up temporary directories goes by the age of what is there, or by a lock: systemd-tmpfiles passes over a
directory that somebody has locked (flock(2)), tmpwatch and tmpreaper over what was used of late.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator

from conductor_trio.client.host.cleanup import Cleanup
from conductor_trio.errors import StartError
from conductor_trio.limits.constants import MAX_TEMP_PARENT
from conductor_trio.net.procfs import file_system
from conductor_trio.shared_directory import find_shared_directory

_FALLBACK = "/tmp"  # noqa: S108
_LAST_RESORTS = ("/var/tmp", "/dev/shm")  # noqa: S108  # a full disk, a $TMPDIR that went with its job
_PREFIX = "conductor-trio-"
_MODE = 0o700

# Where another node may see the socket and cannot connect to it, or where there can be none.
_REMOTE = re.compile(r"nfs\d?|lustre|gpfs|beegfs\w*|ceph|cifs|smb\d?|afs|panfs|pvfs2|orangefs|9p|fuse\..*|autofs")


class HeldDirectory:
    """A directory of ours, which is made again when it is removed; to be closed."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._descriptor: int | None = None
        self._hold()

    def _hold(self) -> None:
        self.close()
        with contextlib.suppress(OSError):  # no descriptor is left, or the file system has no locks
            self._descriptor = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
            fcntl.flock(self._descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)

    def keep(self) -> bool:
        """Have the directory be there, and return whether it had to be made anew.

        Raises `StartError` where it is somebody else's now, and OSError where it cannot be made.
        """
        try:
            found = os.lstat(self.path)
        except FileNotFoundError:
            os.mkdir(self.path, _MODE)
            self._hold()
            return True
        is_private = stat.S_ISDIR(found.st_mode) and not stat.S_IMODE(found.st_mode) & 0o077
        if not is_private or found.st_uid != os.geteuid():
            raise StartError(f"{self.path} was removed, and is somebody else's now")
        if self._descriptor is None or not os.path.samestat(found, os.fstat(self._descriptor)):
            self._hold()
        return False

    def touch(self) -> None:
        """Let all that is in it look used to whoever removes what was not used for long."""
        now = time.time_ns()
        _touch(self.path, now)
        for parent, directories, files in os.walk(self.path):
            for name in (*directories, *files):
                _touch(os.path.join(parent, name), now)

    def close(self) -> None:
        """Hold it no longer."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def _touch(path: str, now: int) -> None:
    with contextlib.suppress(OSError):
        found = os.lstat(path)
        # When a file was written is its owner's business.
        written = found.st_mtime_ns if stat.S_ISREG(found.st_mode) else now
        os.utime(path, ns=(now, written), follow_symlinks=False)


@contextlib.contextmanager
def open_directory(cleanup: Cleanup, purpose: str) -> Iterator[HeldDirectory]:
    """Give a fresh directory; removed on leaving, or by the cleanup process, to which `purpose` is its name.

    Raises `StartError`.
    """
    path = _make_directory()
    with cleanup.covering(purpose, path):
        try:
            with contextlib.closing(HeldDirectory(path)) as directory:
                yield directory
        finally:
            shutil.rmtree(path, ignore_errors=True)
            if os.path.lexists(path):
                cleanup.remove(path)


def _make_directory() -> str:
    parent = choose_parent()
    failure: OSError | None = None
    shared: str | None = None
    for place in dict.fromkeys((parent, _FALLBACK, *_LAST_RESORTS)):
        try:
            path = tempfile.mkdtemp(prefix=_PREFIX, dir=place)
        except OSError as error:
            failure = failure or error
            continue
        if find_shared_directory(os.path.join(path, "socket")) is None:
            break
        os.rmdir(path)  # others could put another in its place
        shared = shared or place
    else:
        if shared is not None:
            return tempfile.mkdtemp(prefix=_PREFIX, dir=shared)
        assert failure is not None
        raise StartError(f"cannot make a directory in {parent}: {failure.strerror}") from failure
    return path


def choose_parent() -> str:
    """Return $TMPDIR, or what stands for it, where its path suits ssh and it is on this host; otherwise /tmp.

    Not $XDG_RUNTIME_DIR: that goes with the user's last login, and a client in tmux lives on.
    """
    try:
        parent = tempfile.gettempdir()
    except OSError:  # nothing can be written to at this moment
        return _FALLBACK
    # "." is the one that comes as it is: that of ssh and of everybody else is another.
    if not parent.startswith("/") or not re.fullmatch(rf"[\w./+-]{{1,{MAX_TEMP_PARENT}}}", parent, re.ASCII):
        return _FALLBACK
    return _FALLBACK if _REMOTE.fullmatch(file_system(parent)) else parent
