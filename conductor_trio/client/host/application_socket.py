"""The application's UNIX socket, and connections to it, but to nobody else who listens in its place.

Where only the user can put a socket, whoever listens does so by their leave, such as a container. Where others can
as well (`find_shared_directory`), what is connected to is a socket of one of us, in the directory that was there
at the start: the user, one of the user's subordinate ids, root, or whom the user has named.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import stat
from collections.abc import Iterator
from pathlib import Path

import attrs

from conductor_trio.errors import StartError, UpstreamUnavailable
from conductor_trio.net.shared_directory import find_shared_directory
from conductor_trio.net.stream import SocketStream
from conductor_trio.net.unix import connect_unix

SUBORDINATE_IDS = Path("/etc/subuid")  # subuid(5): user or id, first, count


class ForeignListener(UpstreamUnavailable):
    """Somebody else listens in the application's place."""


@attrs.frozen(kw_only=True)
class ApplicationSocket:
    """Where the application listens; `shared` is the directory by which others could listen there, if any."""

    path: str
    shared: str | None = None
    _directory: int = -1  # where others could: the descriptor of the socket's directory
    _ours: tuple[range, ...] = ()

    async def connect(self, *, connect_timeout: float) -> SocketStream:
        """Connect to the application, and nobody else (`ForeignListener`); raises `UpstreamUnavailable`."""
        if self.shared is None:
            return await connect_unix(self.path, connect_timeout=connect_timeout)
        # What is looked at is what is connected to, whatever becomes of the name; and no link is followed, which
        # could lead to another socket of ours.
        try:
            found = os.open(
                os.path.basename(self.path), os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=self._directory
            )
        except OSError as error:
            raise UpstreamUnavailable(f"cannot connect: {error.strerror}") from error
        try:
            status = os.fstat(found)
            if stat.S_ISLNK(status.st_mode):
                raise ForeignListener(f"{self.path} is a link")
            self._check(status.st_uid)
            stream = await connect_unix(f"/proc/self/fd/{found}", connect_timeout=connect_timeout)
        finally:
            os.close(found)
        try:
            self._check(stream.peer_credentials().uid)
        except ForeignListener:
            stream.close()
            raise
        return stream

    def _check(self, uid: int) -> None:
        if not any(uid in ids for ids in self._ours):
            raise ForeignListener(f"another user of this host (id {uid}) listens on {self.path}")


@contextlib.contextmanager
def open_application_socket(path: str, user: str | None) -> Iterator[ApplicationSocket]:
    """Give the socket at a path, whose directory must be there; `user` may listen there, besides us.

    Raises `StartError`.
    """
    shared = find_shared_directory(path)
    if shared is None:
        yield ApplicationSocket(path=path)
        return
    try:
        directory = os.open(os.path.dirname(path) or ".", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise StartError(f"cannot open the directory of {path}: {error.strerror}") from error
    try:
        yield ApplicationSocket(path=path, shared=shared, directory=directory, ours=_find_our_ids(user))
    finally:
        os.close(directory)


def _find_our_ids(user: str | None) -> tuple[range, ...]:
    """Return the ids of whom we take for ourselves; raises `StartError` where there is no such user."""
    ids = {0, os.geteuid()}
    if user is not None:
        try:
            ids.add(int(user) if user.isdecimal() else pwd.getpwnam(user).pw_uid)
        except KeyError:
            raise StartError(f"there is no user {user} on this host", advice="correct --socket-user") from None
    return (*(range(uid, uid + 1) for uid in sorted(ids)), *_subordinate_ids())


def _subordinate_ids() -> Iterator[range]:
    """Yield the ranges of ids that the user may give to containers."""
    names = {str(os.geteuid())}
    with contextlib.suppress(KeyError):
        names.add(pwd.getpwuid(os.geteuid()).pw_name)
    with contextlib.suppress(OSError, UnicodeError):
        for line in SUBORDINATE_IDS.read_text().splitlines():
            name, _, ids = line.partition(":")
            first, _, count = ids.partition(":")
            if name in names and first.isdecimal() and count.isdecimal():
                yield range(int(first), int(first) + int(count))
