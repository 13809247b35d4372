"""Who is at the other end of a UNIX socket, as the kernel says (SO_PEERCRED, unix(7))."""

from __future__ import annotations

import socket
import struct

import attrs

from conductor_trio.net.kernel import SO_PEERCRED, peer_groups


@attrs.frozen(kw_only=True)
class Credentials:
    """The process, 0 where it is of another PID namespace, and its effective user and group."""

    pid: int
    uid: int
    gid: int


def peer_credentials(sock: socket.socket) -> Credentials:
    """Return who called connect(), or where we called it, listen()."""
    layout = struct.Struct("3i")  # struct ucred: pid, uid, gid
    pid, uid, gid = layout.unpack(sock.getsockopt(socket.SOL_SOCKET, SO_PEERCRED, layout.size))
    return Credentials(pid=pid, uid=uid, gid=gid)


def is_peer_in_group(sock: socket.socket, gid: int) -> bool:
    """Whether whoever called connect() was in a group then, be it their first or another."""
    return peer_credentials(sock).gid == gid or gid in peer_groups(sock.fileno())
