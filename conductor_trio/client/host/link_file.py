"""The link file: the login link in a file that only its owner can read, for as long as visitors can use it.

It is written as a whole beside its place and renamed there, so that a reader never sees a part of it, and nothing
is written to a file that somebody else has put there, or that a symbolic link leads to. It goes with the client;
the cleanup process removes it behind one that was killed. What is removed is our own file and no other: that of a
later client may have its place.
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import stat
from collections.abc import Iterator

from conductor_trio.client.host.cleanup import Cleanup
from conductor_trio.errors import StartError
from conductor_trio.limits.constants import MAX_LINK_FILE

_log = logging.getLogger(__name__)

_MODE = 0o600
_PARTS = (b"http", b"/_conductor/auth/")  # of what we wrote there


class LinkFile:
    """A file that holds the link; to be removed at the end."""

    def __init__(self, path: str, cleanup: Cleanup) -> None:
        self._path = os.path.abspath(path)
        self._cleanup = cleanup
        self._file: os.stat_result | None = None
        self._text = ""

    def prepare(self) -> None:
        """Have no link of a former client be there, and see whether one can be; raises `StartError`."""
        try:
            if not _is_link_file(self._path):
                raise StartError(
                    f"--link-file {self._path} exists and holds something else than a link",
                    advice="choose another, or remove it",
                )
            self._write("")
            self.remove()
        except OSError as error:
            raise StartError(
                f"cannot write --link-file {self._path}: {error.strerror}",
                advice="choose one in a directory of yours",
            ) from error

    def write(self, url: str) -> str | None:
        """Have the file hold the link, and return why it does not, if it does not."""
        if url == self._text and self._is_ours():
            return None
        try:
            self._write(f"{url}\n")
        except OSError as error:
            return f"the link is not in {self._path}, which cannot be written: {error.strerror}"
        self._text = url
        return None

    def remove(self) -> None:
        """Have the file be gone, unless it is somebody else's by now."""
        if self._is_ours():
            try:
                os.unlink(self._path)
            except OSError as error:
                _log.warning("the link stays in %s, which cannot be removed: %s", self._path, error.strerror)
        self._cleanup.note("link_file", "")
        self._file = None
        self._text = ""

    def _is_ours(self) -> bool:
        try:
            return self._file is not None and os.path.samestat(os.lstat(self._path), self._file)
        except OSError:
            return False

    def _write(self, text: str) -> None:
        new = f"{self._path}.{secrets.token_hex(4)}"
        with self._cleanup.covering("link_part", new):
            descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, _MODE)
            try:
                os.fchmod(descriptor, _MODE)  # whatever the umask is
                os.write(descriptor, text.encode())
                found = os.fstat(descriptor)
                # Named before it is there: it is removed only if it is this very file.
                self._cleanup.note("link_file", f"{found.st_ino} {self._path}")
                os.replace(new, self._path)
            except OSError:
                with contextlib.suppress(OSError):
                    os.unlink(new)
                raise
            finally:
                os.close(descriptor)
        self._file = found


def _is_link_file(path: str) -> bool:
    """Whether what is at a path may be replaced: nothing, a link, an empty file, or what held a link."""
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return True
    if stat.S_ISLNK(found.st_mode):
        return True
    if not stat.S_ISREG(found.st_mode) or found.st_size > MAX_LINK_FILE:
        return False
    if found.st_size == 0:
        return True
    with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        content = file.read(MAX_LINK_FILE)
    start, within = _PARTS
    return content.startswith(start) and within in content and len(content.split()) == 1


@contextlib.contextmanager
def open_link_file(path: str | None, cleanup: Cleanup) -> Iterator[LinkFile | None]:
    """Give the link file at a path, if there is to be one; gone on leaving. Raises `StartError`."""
    if path is None:
        yield None
        return
    file = LinkFile(path, cleanup)
    file.prepare()
    try:
        yield file
    finally:
        file.remove()
