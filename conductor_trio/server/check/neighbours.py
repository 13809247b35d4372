"""What other users of the gateway's host could do to the server's sockets and to its sessions' directories."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator

from conductor_trio.findings import Finding, Status
from conductor_trio.server.sessions.access_list import has_lists
from conductor_trio.shared_directory import find_shared_directory


def check_shared(place: str, path: str) -> Iterator[Finding]:
    """Yield what is wrong where others could put a socket of theirs at a path."""
    if (directory := _find_shared(path)) is not None:
        yield Finding(
            check=place,
            status=Status.WARNING,
            detail=f"other users may write to {directory}, and so put a socket of theirs at {path}",
            advice="choose a path that only root and the server's user can change, such as below /run",
        )


def _find_shared(path: str) -> str | None:
    directory = os.path.dirname(path)
    if os.geteuid() == 0:
        # Root looks, for whom the server's own user is another one; a directory of theirs is where nobody else
        # could have made it.
        with contextlib.suppress(OSError):
            found = os.stat(directory)
            if found.st_uid != 0:
                is_open = found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
                return directory if is_open else find_shared_directory(directory)
    return find_shared_directory(path)


def check_access_lists(place: str, path: str) -> Iterator[Finding]:
    """Yield what is wrong where the file system of a path cannot let one user alone into a session's directory."""
    if not has_lists(path):
        yield Finding(
            check=place,
            status=Status.WARNING,
            detail=f"the file system of {path} has no access lists: until a session registers, others can add to "
            "its directory, from which the server removes it",
            advice="choose a path with -r on one that has, as /run almost everywhere",
        )
