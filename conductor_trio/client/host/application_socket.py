"""The application's UNIX socket, held, and connections to it, but to nobody else who listens in its place.

Where only the user can put a socket, whoever listens does so by their leave, such as a container. Where others can
as well (`find_shared_directory`), what is connected to is a socket of one of us, in the directory that was there
at the start: the user, one of the user's subordinate ids, root, or whom the user has named. As long as that one
listens, it is connected to, whoever has its name.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import stat
from collections.abc import Iterator
from pathlib import Path

from conductor_trio.client.host.held_socket import HeldSocket
from conductor_trio.errors import StartError, UpstreamUnavailable
from conductor_trio.net.stream import SocketStream
from conductor_trio.shared_directory import find_shared_directory

SUBORDINATE_IDS = Path("/etc/subuid")  # subuid(5): user or id, first, count


class ForeignListener(UpstreamUnavailable):
    """Somebody else listens in the application's place."""


class ApplicationSocket(HeldSocket):
    """Where the application listens; `shared` is the directory by which others could listen there, if any."""

    def __init__(
        self, path: str, *, shared: str | None = None, directory: int | None = None, ours: tuple[range, ...] = ()
    ) -> None:
        super().__init__(path)
        self.shared = shared
        self._directory = directory  # where others could: the descriptor of the socket's directory
        self._ours = ours

    async def connect(self, connect_timeout: float) -> SocketStream:
        """Connect to the application, and nobody else (`ForeignListener`); raises `UpstreamUnavailable`."""
        if self.shared is None:
            return await super().connect(connect_timeout)
        # What is looked at is what is connected to, whatever becomes of the name.
        is_there = self.hold()
        if self._descriptor is None:
            raise self._explain_absence()
        try:
            self._check(os.fstat(self._descriptor).st_uid)
            stream = await self._connect_held(connect_timeout)
        except UpstreamUnavailable as error:
            if is_there:
                raise
            raise self._explain_absence() from error
        try:
            self._check(stream.peer_credentials().uid)
        except ForeignListener:
            stream.close()
            raise
        return stream

    def _explain_absence(self) -> UpstreamUnavailable:
        try:
            found = self._look()
            if stat.S_ISLNK(found.st_mode):
                return ForeignListener(f"{self.path} is a link")
            self._check(found.st_uid)
        except ForeignListener as error:
            return error
        except OSError as error:
            return UpstreamUnavailable(f"cannot connect: {error.strerror}")
        return UpstreamUnavailable("it cannot be held")

    def _look(self) -> os.stat_result:
        if self._directory is None:
            return super()._look()
        # No link is followed, which could lead to another socket of ours.
        return os.stat(os.path.basename(self.path), dir_fd=self._directory, follow_symlinks=False)

    def _open(self) -> int:
        if self._directory is None:
            return super()._open()
        flags = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
        return os.open(os.path.basename(self.path), flags, dir_fd=self._directory)

    def _may_be(self, uid: int) -> bool:
        if self.shared is not None:
            return self._is_ours(uid)
        # The directory may have been removed, and made again by somebody else.
        return super()._may_be(uid) or find_shared_directory(self.path) is None

    def _is_ours(self, uid: int) -> bool:
        return any(uid in ids for ids in self._ours)

    def _check(self, uid: int) -> None:
        if not self._is_ours(uid):
            raise ForeignListener(f"another user of this host (id {uid}) listens on {self.path}")


@contextlib.contextmanager
def open_application_socket(path: str, user: str | None) -> Iterator[ApplicationSocket]:
    """Give the socket at a path, whose directory must be there; `user` may listen there, besides us.

    Raises `StartError`.
    """
    shared = find_shared_directory(path)
    if shared is None:
        with contextlib.closing(ApplicationSocket(path)) as application:
            yield application
        return
    try:
        directory = os.open(os.path.dirname(path) or ".", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise StartError(f"cannot open the directory of {path}: {error.strerror}") from error
    try:
        ours = _find_our_ids(user)
        with contextlib.closing(
            ApplicationSocket(path, shared=shared, directory=directory, ours=ours)
        ) as application:
            yield application
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
