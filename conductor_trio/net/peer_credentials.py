"""Who is at the other end of a UNIX socket, as the kernel says (SO_PEERCRED, SO_PEERGROUPS, unix(7))."""

from __future__ import annotations

import socket
import struct

import attrs

from conductor_trio.limits.constants import MAX_GROUPS
from conductor_trio.net.kernel import SO_PEERCRED, SO_PEERGROUPS, socket_option

_CREDENTIALS = struct.Struct("3i")  # struct ucred: pid, uid, gid
_GROUP = struct.Struct("I")


@attrs.frozen(kw_only=True)
class Credentials:
    """The process, 0 where it is of another PID namespace, and its effective user and group."""

    pid: int
    uid: int
    gid: int


def peer_credentials(sock: socket.socket) -> Credentials:
    """Return who called connect(), or where we called it, listen()."""
    pid, uid, gid = _CREDENTIALS.unpack(sock.getsockopt(socket.SOL_SOCKET, SO_PEERCRED, _CREDENTIALS.size))
    return Credentials(pid=pid, uid=uid, gid=gid)


def peer_groups(sock: socket.socket) -> frozenset[int]:
    """Return the groups of the process that `peer_credentials` names: its effective one, and all others."""
    try:
        others = socket_option(sock.fileno(), SO_PEERGROUPS, MAX_GROUPS * _GROUP.size)
    except OSError:  # a kernel that does not tell
        others = b""
    return frozenset({peer_credentials(sock).gid, *(group for (group,) in _GROUP.iter_unpack(others))})
