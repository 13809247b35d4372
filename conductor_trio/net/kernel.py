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
import signal
import socket
from collections.abc import Callable

from conductor_trio.interpreter import IS_PYPY

SO_PEERCRED: int = getattr(socket, "SO_PEERCRED", 17)  # asm-generic/socket.h
MSG_CMSG_CLOEXEC: int = getattr(socket, "MSG_CMSG_CLOEXEC", 0x40000000)  # linux/socket.h
SO_PEERGROUPS: int = getattr(socket, "SO_PEERGROUPS", 59)  # asm-generic/socket.h, since Linux 4.13
F_DUPFD_CLOEXEC: int = getattr(fcntl, "F_DUPFD_CLOEXEC", 1030)  # linux/fcntl.h
F_SETPIPE_SZ: int = getattr(fcntl, "F_SETPIPE_SZ", 1031)
EPOLLRDHUP: int = getattr(select, "EPOLLRDHUP", 0x2000)  # linux/eventpoll.h
POLLRDHUP: int = getattr(select, "POLLRDHUP", 0x2000)  # asm-generic/poll.h

_LARGE_PIECE = 32 * 1024  # bytes; with less than 20 KiB the call itself takes longer than the copying
_MSG_NOSIGNAL = 0x4000  # linux/socket.h
_SPLICE_FLAGS = 0x01 | 0x02  # SPLICE_F_MOVE | SPLICE_F_NONBLOCK, linux/splice.h
_SYS_PIDFD_SEND_SIGNAL = 424  # asm-generic/unistd.h
_SYS_PIDFD_OPEN = 434


def splice(source: int, target: int, count: int) -> int:
    """Move at most `count` bytes between a socket and a pipe, either way, without waiting; raises OSError."""
    if hasattr(os, "splice"):
        return os.splice(source, target, count, flags=_SPLICE_FLAGS)
    return _checked(_libc().splice(source, None, target, None, count, _SPLICE_FLAGS))


def _send_without_copy(sock: socket.socket, data: bytes | bytearray | memoryview, /) -> int:
    """Send as ``sock.send(data)``; a large piece of writable memory goes from where it lies."""
    if not isinstance(data, memoryview) or data.readonly or len(data) < _LARGE_PIECE:
        return sock.send(data)
    start = ctypes.addressof(ctypes.c_char.from_buffer(data))
    return _checked(_libc().send(sock.fileno(), start, len(data), _MSG_NOSIGNAL))


#: PyPy copies what it sends: of 384 KiB a piece, that was 60 % of the processor's time, and 40 MiB of garbage.
send: Callable[[socket.socket, bytes | bytearray | memoryview], int] = (
    _send_without_copy if IS_PYPY else socket.socket.send
)


def socket_option(descriptor: int, option: int, size: int) -> bytes:
    """Return an option of a socket (getsockopt(2)) of up to `size` bytes, where socket's takes 1024 at most."""
    buffer, length = ctypes.create_string_buffer(size), ctypes.c_uint32(size)
    _checked(_libc().getsockopt(descriptor, socket.SOL_SOCKET, option, buffer, ctypes.byref(length)))
    return buffer.raw[: length.value]


def open_shared_socket(descriptor: int) -> socket.socket:
    """Return the socket of a descriptor, of which others may have one, too: for them as well it is non-blocking.

    PyPy makes it a blocking one if it is not told otherwise, and whoever shares it would hang in accept(2).
    """
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(0.0)
    try:
        return socket.socket(fileno=descriptor)
    finally:
        socket.setdefaulttimeout(before)


def pidfd_open(pid: int) -> int:
    """Return a descriptor of a process, which is readable once that has ended (pidfd_open(2)); raises OSError."""
    if hasattr(os, "pidfd_open"):
        return os.pidfd_open(pid)
    return _checked(_libc().syscall(ctypes.c_long(_SYS_PIDFD_OPEN), ctypes.c_int(pid), ctypes.c_uint(0)))


def pidfd_send_signal(descriptor: int, number: int) -> None:
    """Send a signal to the process of that descriptor (pidfd_send_signal(2)); raises OSError."""
    if hasattr(signal, "pidfd_send_signal"):
        signal.pidfd_send_signal(descriptor, number)
        return
    arguments = (ctypes.c_int(descriptor), ctypes.c_int(number), None, ctypes.c_uint(0))
    _checked(_libc().syscall(ctypes.c_long(_SYS_PIDFD_SEND_SIGNAL), *arguments))


@functools.cache
def _libc() -> ctypes.CDLL:
    libc = ctypes.CDLL(None, use_errno=True)
    # Declared, a call takes 2 µs on PyPy, and otherwise 7.
    offset = ctypes.POINTER(ctypes.c_longlong)
    libc.splice.argtypes = [ctypes.c_int, offset, ctypes.c_int, offset, ctypes.c_size_t, ctypes.c_uint]
    libc.splice.restype = ctypes.c_ssize_t
    libc.send.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    libc.send.restype = ctypes.c_ssize_t
    libc.syscall.restype = ctypes.c_long
    return libc


def _checked(result: int) -> int:
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return result
