"""A session's own directory: made, checked, removed.

What protects a relay socket is who owns it and its mode, not the name of its directory: every user can read
all bound paths in /proc/net/unix.
"""

from __future__ import annotations

import base64
import contextlib
import os
import re
import secrets
import stat
from collections.abc import Iterator

import attrs

from conductor_trio.access.hostnames import user_label
from conductor_trio.errors import RegistrationRefused
from conductor_trio.limits.constants import RELAY_NAME
from conductor_trio.log import Logger

_NAME_ENTROPY = 10  # bytes; 16 letters of base32
_LONGEST_USER_PART = 32
LONGEST_NAME = _LONGEST_USER_PART + 1 + 16  # user, hyphen, letters
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


def remove_session_directory(path: str, log: Logger) -> bool:
    """Remove a session's directory and the one name in it that we know; return whether that succeeded.

    Whatever else a user put there is theirs; a directory that it keeps alive is tried again at the next start.
    """
    with contextlib.suppress(OSError):
        os.unlink(os.path.join(path, RELAY_NAME))
    try:
        os.rmdir(path)
    except FileNotFoundError:
        return True
    except OSError as error:
        log.warning("directory_left", path=path, error=error.strerror)
        with contextlib.suppress(OSError):
            os.chmod(path, 0o770)  # nobody can add to it
        return False
    return True


@attrs.define(eq=False)
class SessionDirectory:
    """One session's directory."""

    path: str
    is_left: bool = False  #: at the end, it could not be removed, since something of the user's is in it

    @property
    def relay_path(self) -> str:
        """Where the client has the SSH server listen."""
        return os.path.join(self.path, RELAY_NAME)

    def may_connect(self) -> bool:
        """Whether the relay socket is there, and lets us connect to it as it is."""
        return os.access(self.relay_path, os.W_OK, effective_ids=True)

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
def open_session_directory(sockets: str, user: str, log: Logger) -> Iterator[SessionDirectory]:
    """Make a fresh directory in which anybody can make a socket; removed on leaving. Raises OSError."""
    name = user if _PLAIN_NAME.fullmatch(user) and len(user) <= _LONGEST_USER_PART else user_label(user)
    unguessable = base64.b32encode(secrets.token_bytes(_NAME_ENTROPY)).decode().lower()
    path = os.path.join(sockets, f"{name}-{unguessable}")
    os.mkdir(path, 0o700)
    directory = SessionDirectory(path)
    try:
        os.chmod(path, 0o3777)
        yield directory
    finally:
        directory.is_left = not remove_session_directory(path, log)
