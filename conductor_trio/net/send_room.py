"""How much a socket's send buffer takes at this moment, so that no more is received for it than that."""

from __future__ import annotations

import socket
import struct
import sys

_SO_MEMINFO = 55  # asm-generic/socket.h
_meminfo = struct.Struct("9I")  # linux/sock_diag.h, SK_MEMINFO_*


def send_room(sock: socket.socket) -> int:
    """Return how many bytes are free in the send buffer of a TCP or UNIX socket, about; below 0 where it is over.

    The kernel counts what it needs to keep the bytes, too. Of a closed socket there is room, and sending tells.
    """
    try:
        told = _meminfo.unpack(sock.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, _meminfo.size))
    except OSError:
        return sys.maxsize
    unreceived, size, queued = told[2], told[3], told[5]  # UNIX sockets count the first, TCP the last
    return int(size - max(unreceived, queued))
