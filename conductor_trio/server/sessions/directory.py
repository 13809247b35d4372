"""A session's own directory: made, checked, removed.

What protects a relay socket is who owns it and its mode, not the name of its directory: every user can read
all bound paths in /proc/net/unix. Until a session registers, its user must be able to add to the directory; an
access list lets in nobody else. Where there are no lists, what others put there is removed, or counts as theirs.
"""

from __future__ import annotations

import base64
import contextlib
import itertools
import os
import re
import secrets
import stat
from collections.abc import Iterator

import attrs

from conductor_trio.access.hostnames import user_label
from conductor_trio.errors import RegistrationRefused
from conductor_trio.limits.constants import MAX_INLINE_REMOVALS, RELAY_NAME
from conductor_trio.server.sessions.access_list import forget_list, let_in_only

_NAME_ENTROPY = 10  # bytes; 16 letters of base32
_LONGEST_USER_PART = 32
LONGEST_NAME = _LONGEST_USER_PART + 1 + 16  # user, hyphen, letters
_NAME = re.compile(r".+-[a-z2-7]{16}", re.DOTALL)
_OPEN = 0o3777  # set-gid for the relay socket's group, sticky (docs/protocol.md, "Directories and sockets")
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


def find_session_directories(sockets: str) -> list[str]:
    """Return the paths of the session directories below that one; raises OSError."""
    with os.scandir(sockets) as entries:
        return [e.path for e in entries if _NAME.fullmatch(e.name) and e.is_dir(follow_symlinks=False)]


def close_directory(path: str) -> None:
    """Let nobody but the server add to a session's directory; raises OSError."""
    forget_list(path)
    os.chmod(path, 0o770)


def remove_session_directory(path: str) -> bool:
    """Remove a session's directory with the little that may be in it; return whether it is gone.

    Where it is not, nobody can add to it any more, and the rest is for `Leftovers`.
    """
    with contextlib.suppress(OSError):
        os.unlink(os.path.join(path, RELAY_NAME))
    with contextlib.suppress(OSError):
        os.rmdir(path)
        return True
    try:
        close_directory(path)
        clear_directory(path, MAX_INLINE_REMOVALS)
        os.rmdir(path)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def clear_directory(path: str, max_entries: int) -> list[str]:
    """Remove what is in a directory, without recursion and whosever it is; return the names of what stays.

    At most so many names are looked at. The directory must be closed to others. Nothing in it is looked into, and
    no link is followed: what stays may be of a file system that hangs. Raises OSError.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        with os.scandir(descriptor) as entries:
            found = list(itertools.islice(entries, max_entries))
        return [entry.name for entry in found if not _remove(entry, descriptor)]
    finally:
        os.close(descriptor)


def _remove(entry: os.DirEntry[str], directory: int) -> bool:
    remove = os.rmdir if entry.is_dir(follow_symlinks=False) else os.unlink
    try:
        remove(entry.name, dir_fd=directory)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


@attrs.define(eq=False)
class SessionDirectory:
    """One session's directory."""

    path: str
    #: The user who alone could ever add to it; None where everybody could, until it was closed to others.
    only_user: int | None = None
    is_left: bool = False  #: at the end, it could not be removed, since something is in it

    @property
    def relay_path(self) -> str:
        """Where the client has the SSH server listen."""
        return os.path.join(self.path, RELAY_NAME)

    def may_connect(self) -> bool:
        """Whether the relay socket is there, and lets us connect to it as it is."""
        return os.access(self.relay_path, os.W_OK, effective_ids=True)

    def close_to_others(self) -> None:
        """Let nobody else add to the directory from now on."""
        close_directory(self.path)

    def check_relay(self, uid: int) -> os.stat_result:
        """Return the relay socket's status; raises `RegistrationRefused` unless it is the user's own and private.

        The directory must be closed to others, so that what is checked is what is used.
        """
        path = self.relay_path
        try:
            found = os.lstat(path)
        except OSError as error:
            raise RegistrationRefused(
                f"no relay socket at {path} ({error.strerror})",
                advice="have the SSH server listen there first (AllowStreamLocalForwarding in its sshd_config)",
            ) from error
        if stat.S_ISLNK(found.st_mode):
            raise RegistrationRefused(f"{path} is a link", advice="the relay socket itself must be there")
        if not stat.S_ISSOCK(found.st_mode):
            raise RegistrationRefused(f"{path} is no socket", advice="have the SSH server listen there")
        if found.st_uid != uid:
            raise RegistrationRefused(f"{path} belongs to another user than the one who registers it")
        if found.st_mode & 0o006:
            raise RegistrationRefused(f"{path} is open to others", advice="make it mode 0660 (chmod 660)")
        return found


@contextlib.contextmanager
def open_session_directory(sockets: str, user: str, uid: int) -> Iterator[SessionDirectory]:
    """Make a fresh directory in which that user can make a socket; removed on leaving. Raises OSError.

    Where the file system has no access lists, everybody can, until the directory is closed to others.
    """
    name = user if _PLAIN_NAME.fullmatch(user) and len(user) <= _LONGEST_USER_PART else user_label(user)
    unguessable = base64.b32encode(secrets.token_bytes(_NAME_ENTROPY)).decode().lower()
    path = os.path.join(sockets, f"{name}-{unguessable}")
    os.mkdir(path, 0o700)
    directory = SessionDirectory(path)
    try:
        directory.only_user = _let_in(path, uid)
        yield directory
    finally:
        directory.is_left = not remove_session_directory(path)


def _let_in(path: str, uid: int) -> int | None:
    """Let a user in; return their id where nobody else is."""
    os.chmod(path, _OPEN)
    if uid == os.geteuid():  # it is the owner's: a list would name nobody, and the mode is the contract's
        return None
    try:
        let_in_only(path, uid)
    except OSError:  # no lists here, or a user that this namespace does not know
        return None
    return uid
