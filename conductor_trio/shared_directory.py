"""What other users of this host may do at a path of ours: put a socket of theirs there, or connect to ours.

As OpenSSH does with its files (misc.c, safe_path), the whole way is looked at: whoever may rename a directory on
it can lead it elsewhere.
"""

from __future__ import annotations

import grp
import os
import pwd
import stat

import attrs

from conductor_trio.limits.constants import MAX_SYMBOLIC_LINKS

_OTHERS_SEARCH = stat.S_IXGRP | stat.S_IXOTH


def find_shared_directory(path: str) -> str | None:
    """Return a directory by which others can have `path` lead to a socket of theirs; None where nobody can.

    Root could anyhow, and counts as we do. The path need not exist yet.
    """
    way = [_Directory.make("/", os.stat("/"), None)]
    names = os.path.abspath(path).split("/")[::-1]
    links = 0
    while names:
        name = names.pop()
        if name == "..":
            way = way[:-1] or way
        if name in ("", ".", ".."):
            continue
        above = way[-1]
        target = os.path.join(above.path, name)
        try:
            found = os.lstat(target)
        except FileNotFoundError:
            found = None
        except OSError:
            return above.path  # we may not even look
        if above.lets_others_replace(found if names else None):
            return above.path
        if found is None:
            return None
        if stat.S_ISLNK(found.st_mode):
            links += 1
            if links > MAX_SYMBOLIC_LINKS:
                return above.path
            link = os.readlink(target)
            way = way[:1] if link.startswith("/") else way
            names += link.split("/")[::-1]
        elif names:
            way.append(_Directory.make(target, found, above))
    return None


def lets_others_connect(path: str) -> bool:
    """Whether every user may connect to the UNIX socket at a path, as far as modes say (unix(7))."""
    path = os.path.realpath(path)
    try:
        if not os.stat(path).st_mode & stat.S_IWOTH:
            return False
        while path != "/":
            path = os.path.dirname(path)
            if not os.stat(path).st_mode & stat.S_IXOTH:
                return False
    except OSError:  # it has gone, or we may not look
        return False
    return True


@attrs.frozen
class _Directory:
    path: str
    status: os.stat_result
    is_enclosed: bool  # nobody else gets into it, or into one above it

    @classmethod
    def make(cls, path: str, status: os.stat_result, above: _Directory | None) -> _Directory:
        is_closed = _is_ours(status) and not status.st_mode & _OTHERS_SEARCH
        return cls(path, status, is_closed or (above is not None and above.is_enclosed))

    def lets_others_replace(self, entry: os.stat_result | None) -> bool:
        """Whether others can put something in the place of this entry, or, for None, where nothing is yet."""
        if self.is_enclosed:
            return False
        if not _is_ours(self.status):
            return True
        is_kept = entry is not None and _is_ours(entry) and self.status.st_mode & stat.S_ISVTX
        return _lets_others_write(self.status) and not is_kept


def _lets_others_write(status: os.stat_result) -> bool:
    if status.st_mode & stat.S_IWOTH:
        return True
    return bool(status.st_mode & stat.S_IWGRP) and not _is_own_group(status.st_gid)


def _is_own_group(gid: int) -> bool:
    """Whether a group is the user's alone, as each user has one where the umask is 002."""
    try:
        user, group = pwd.getpwuid(os.geteuid()), grp.getgrgid(gid)
    except KeyError:
        return False
    is_theirs = (group.gr_gid, group.gr_name) == (user.pw_gid, user.pw_name)
    return is_theirs and set(group.gr_mem) <= {user.pw_name}


def _is_ours(status: os.stat_result) -> bool:
    return status.st_uid in (0, os.geteuid())
