"""The runtime directory, and in it a session's own directory: made, checked, removed.

What protects a relay socket is who owns it and its mode, not the name of its directory: every user can read
all bound paths in /proc/net/unix.
"""

from __future__ import annotations

import base64
import contextlib
import errno
import fcntl
import os
import re
import secrets
import stat
from collections.abc import Iterator

import attrs

from conductor_trio.config import MAX_SOCKET_PATH, RELAY_NAME
from conductor_trio.errors import RegistrationRefused, StartError
from conductor_trio.log import Logger
from conductor_trio.wire.hosts import user_label

SOCKETS_NAME = "sockets"
CONTROL_NAME = "client"

_NAME_ENTROPY = 10  # bytes; 16 letters of base32
_LONGEST_USER_PART = 32
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


@contextlib.contextmanager
def open_runtime_directory(path: str, log: Logger) -> Iterator[str]:
    """Hold the runtime directory for this server alone, with an empty directory for sessions, which it gives.

    What a crashed server left there is removed. Raises `StartError`. On leaving, what this server made is removed,
    unless something that is not ours is in it.
    """
    sockets = os.path.join(path, SOCKETS_NAME)
    longest = os.path.join(sockets, "u" * _LONGEST_USER_PART + "-" + "x" * 16, RELAY_NAME)
    if len(os.fsencode(longest)) > MAX_SOCKET_PATH:
        excess = len(os.fsencode(longest)) - MAX_SOCKET_PATH
        raise StartError(f"runtime directory {path}: its path is {excess} bytes too long for sockets in it")
    with contextlib.ExitStack() as stack:
        try:
            _make_directory(path, 0o755, stack)
            lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            stack.callback(os.close, lock)
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _make_directory(sockets, 0o771, stack)
            os.chmod(sockets, 0o771)  # enter, but not list
            if not os.access(path, os.W_OK | os.X_OK) or not os.access(sockets, os.W_OK | os.X_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
            _sweep(sockets, log)
        except BlockingIOError:
            raise StartError(f"runtime directory {path}: another server is running on it") from None
        except OSError as error:
            raise StartError(f"runtime directory {path}: {error.strerror}") from error
        yield sockets


def _make_directory(path: str, mode: int, stack: contextlib.ExitStack) -> None:
    """Make a directory, and those above it that are missing; what was made goes with the stack."""
    above = os.path.dirname(path)
    if not os.path.lexists(above):
        _make_directory(above, 0o755, stack)
    try:
        os.mkdir(path, mode)
    except FileExistsError:
        if not os.path.isdir(path):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR)) from None
        return
    stack.callback(_remove_if_empty, path)
    os.chmod(path, mode)  # whatever the umask


def _remove_if_empty(path: str) -> None:
    with contextlib.suppress(OSError):
        os.rmdir(path)


def _sweep(sockets: str, log: Logger) -> None:
    """Remove the session directories that a crashed server left; what cannot be removed is left and logged."""
    with os.scandir(sockets) as entries:
        leftovers = [entry.path for entry in entries if entry.is_dir(follow_symlinks=False)]
    for path in leftovers:
        _remove_session_directory(path, log)


def _remove_session_directory(path: str, log: Logger) -> None:
    """Remove a session's directory and the one name in it that we know.

    Whatever else a user put there is theirs; a directory that it keeps alive is tried again at the next start.
    """
    with contextlib.suppress(OSError):
        os.unlink(os.path.join(path, RELAY_NAME))
    try:
        os.rmdir(path)
    except FileNotFoundError:
        pass
    except OSError as error:
        log.warning("directory_left", path=path, error=error.strerror)


@attrs.frozen
class SessionDirectory:
    """One session's directory."""

    path: str

    @property
    def relay_path(self) -> str:
        """Where the client has the SSH server listen."""
        return os.path.join(self.path, RELAY_NAME)

    def close_to_others(self) -> None:
        """Let nobody else add to the directory from now on."""
        os.chmod(self.path, 0o770)

    def check_relay(self, uid: int) -> os.stat_result:
        """Return the relay socket's status; raises `RegistrationRefused` unless it is the user's own and private.

        The directory must be closed to others, so that what is checked is what is used.
        """
        path = self.relay_path
        try:
            found = os.lstat(path)
        except OSError as error:
            raise RegistrationRefused(
                f"no relay socket at {path} ({error.strerror}); have the SSH server listen there first "
                "(AllowStreamLocalForwarding in its sshd_config)"
            ) from error
        if stat.S_ISLNK(found.st_mode):
            raise RegistrationRefused(f"{path} is a link; the relay socket itself must be there")
        if not stat.S_ISSOCK(found.st_mode):
            raise RegistrationRefused(f"{path} is no socket; have the SSH server listen there")
        if found.st_uid != uid:
            raise RegistrationRefused(f"{path} belongs to another user than the one who registers it")
        if found.st_mode & 0o006:
            raise RegistrationRefused(f"{path} is open to others; make it mode 0660 (chmod 660)")
        return found


@contextlib.contextmanager
def open_session_directory(sockets: str, user: str, log: Logger) -> Iterator[SessionDirectory]:
    """Make a fresh directory in which anybody can make a socket; removed on leaving. Raises OSError."""
    name = user if _PLAIN_NAME.fullmatch(user) and len(user) <= _LONGEST_USER_PART else user_label(user)
    unguessable = base64.b32encode(secrets.token_bytes(_NAME_ENTROPY)).decode().lower()
    path = os.path.join(sockets, f"{name}-{unguessable}")
    os.mkdir(path, 0o700)
    try:
        os.chmod(path, 0o3777)
        yield SessionDirectory(path)
    finally:
        _remove_session_directory(path, log)
