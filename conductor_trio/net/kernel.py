"""Calls and numbers of the kernel that not every Python has: where PyPy's modules lack one, it stands here.

What interpreters differ in is asked here and in `interpreter`, by `hasattr`, and nowhere else. The
numbers are the same on every architecture that we know of, but for MIPS, SPARC and PA-RISC.
"""

from __future__ import annotations

import ctypes
import fcntl
import functools
import os
import select
import socket

SO_PEERCRED: int = getattr(socket, "SO_PEERCRED", 17)  # asm-generic/socket.h
SO_PEERGROUPS: int = getattr(socket, "SO_PEERGROUPS", 59)  # asm-generic/socket.h
F_SETPIPE_SZ: int = getattr(fcntl, "F_SETPIPE_SZ", 1031)  # linux/fcntl.h
EPOLLRDHUP: int = getattr(select, "EPOLLRDHUP", 0x2000)  # linux/eventpoll.h
POLLRDHUP: int = getattr(select, "POLLRDHUP", 0x2000)  # asm-generic/poll.h

_SPLICE_FLAGS = 0x01 | 0x02  # SPLICE_F_MOVE | SPLICE_F_NONBLOCK, linux/splice.h
_SYS_PIDFD_OPEN = 434  # asm-generic/unistd.h


def splice(source: int, target: int, count: int) -> int:
    """Move at most `count` bytes between a socket and a pipe, either way, without waiting; raises OSError."""
    if hasattr(os, "splice"):
        return os.splice(source, target, count, flags=_SPLICE_FLAGS)
    return _checked(_libc().splice(source, None, target, None, ctypes.c_size_t(count), _SPLICE_FLAGS))


def pidfd_open(pid: int) -> int:
    """Return a descriptor of a process, which is readable once that has ended (pidfd_open(2)); raises OSError."""
    if hasattr(os, "pidfd_open"):
        return os.pidfd_open(pid)
    return _checked(_libc().syscall(ctypes.c_long(_SYS_PIDFD_OPEN), ctypes.c_int(pid), ctypes.c_uint(0)))


def peer_groups(descriptor: int) -> tuple[int, ...]:
    """Return the supplementary groups of who called connect() at the other end of a UNIX socket; raises OSError.

    They can be 65,536 (NGROUPS_MAX, limits.h), and Python reads 256 at most.
    """
    groups = (ctypes.c_uint32 * (1 << 16))()
    size = ctypes.c_uint32(ctypes.sizeof(groups))
    _checked(_libc().getsockopt(descriptor, socket.SOL_SOCKET, SO_PEERGROUPS, groups, ctypes.byref(size)))
    return tuple(groups[: size.value // ctypes.sizeof(ctypes.c_uint32)])


@functools.cache
def _libc() -> ctypes.CDLL:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.splice.restype = ctypes.c_ssize_t
    libc.syscall.restype = ctypes.c_long
    return libc


def _checked(result: int) -> int:
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return result
