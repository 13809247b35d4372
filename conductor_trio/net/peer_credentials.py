"""Who is at the other end of a UNIX socket, as the kernel says (SO_PEERCRED, unix(7))."""

from __future__ import annotations

import socket
import struct

import attrs

from conductor_trio.net.kernel import SO_PEERCRED


@attrs.frozen(kw_only=True)
class Credentials:
    """The process, 0 where it is of another PID namespace, and its effective user."""

    pid: int
    uid: int


def peer_credentials(sock: socket.socket) -> Credentials:
    """Return who called connect(), or where we called it, listen()."""
    layout = struct.Struct("3i")  # struct ucred: pid, uid, gid
    pid, uid, _ = layout.unpack(sock.getsockopt(socket.SOL_SOCKET, SO_PEERCRED, layout.size))
    return Credentials(pid=pid, uid=uid)
