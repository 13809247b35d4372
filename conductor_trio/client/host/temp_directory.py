"""Temporary directories of mode 0700 for our sockets, with short and plain paths."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator

from conductor_trio.client.host.cleanup import Cleanup
from conductor_trio.errors import StartError
from conductor_trio.limits.constants import MAX_TEMP_PARENT
from conductor_trio.net.procfs import file_system
from conductor_trio.net.shared_directory import find_shared_directory

_FALLBACK = "/tmp"  # noqa: S108
_PREFIX = "conductor-trio-"

# Where another node may see the socket and cannot connect to it, or where there can be none.
_REMOTE = re.compile(r"nfs\d?|lustre|gpfs|beegfs\w*|ceph|cifs|smb\d?|afs|panfs|pvfs2|orangefs|9p|fuse\..*|autofs")


@contextlib.contextmanager
def open_directory(cleanup: Cleanup, purpose: str) -> Iterator[str]:
    """Give a fresh directory; removed on leaving, or by the cleanup process, to which `purpose` is its name.

    Raises `StartError`.
    """
    directory = _make_directory(choose_parent())
    if (
        find_shared_directory(os.path.join(directory, "socket")) is not None
    ):  # others could put another in its place
        os.rmdir(directory)
        directory = _make_directory(_FALLBACK)
    with cleanup.covering(purpose, directory):
        try:
            yield directory
        finally:
            shutil.rmtree(directory, ignore_errors=True)


def _make_directory(parent: str) -> str:
    try:
        return tempfile.mkdtemp(prefix=_PREFIX, dir=parent)
    except OSError as error:
        raise StartError(f"cannot make a directory in {parent}: {error.strerror}") from error


def choose_parent() -> str:
    """Return $TMPDIR, or what stands for it, where its path suits ssh and it is on this host; otherwise /tmp.

    Not $XDG_RUNTIME_DIR: that goes with the user's last login, and a client in tmux lives on.
    """
    parent = tempfile.gettempdir()
    if not re.fullmatch(rf"[\w./+-]{{1,{MAX_TEMP_PARENT}}}", parent, re.ASCII):
        return _FALLBACK
    return _FALLBACK if _REMOTE.fullmatch(file_system(parent)) else parent
