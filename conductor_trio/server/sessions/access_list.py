"""A directory's POSIX access list (acl(5)), by which one further user is let in and nobody else.

It is read and written in the kernel's own form (linux/posix_acl_xattr.h), since no program for it need be
installed.
"""

from __future__ import annotations

import contextlib
import errno
import os
import struct

_NAME = "system.posix_acl_access"
_VERSION = struct.pack("<I", 2)
_ENTRY = struct.Struct("<HHI")  # tag, permissions, id
_OWNER, _USER, _GROUP, _MASK, _OTHERS = 0x01, 0x02, 0x04, 0x10, 0x20  # linux/posix_acl.h; in this order
_NOTHING, _ALL = 0, 7
_NO_ID = 0xFFFFFFFF


def let_in_only(path: str, uid: int) -> None:
    """Let nobody but its owner and that user into a directory; raises OSError where the file system has no lists.

    The mode shows 0770 then, of which the group's digit is the most that the list gives (acl(5)).
    """
    entries = (
        (_OWNER, _ALL, _NO_ID),
        (_USER, _ALL, uid),
        (_GROUP, _NOTHING, _NO_ID),
        (_MASK, _ALL, _NO_ID),
        (_OTHERS, _NOTHING, _NO_ID),
    )
    os.setxattr(path, _NAME, _VERSION + b"".join(_ENTRY.pack(*entry) for entry in entries))


def forget_list(path: str) -> None:
    """From now on the mode alone says who is let in."""
    with contextlib.suppress(OSError):  # it has none
        os.removexattr(path, _NAME)


def has_lists(path: str) -> bool:
    """Whether the file system of a path has access lists."""
    try:
        os.getxattr(path, _NAME)
    except OSError as error:
        return error.errno == errno.ENODATA
    return True
