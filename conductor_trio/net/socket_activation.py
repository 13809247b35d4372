"""Listening sockets that the parent process opened for us: sd_listen_fds(3), as systemd and others do."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator, MutableMapping

from conductor_trio.errors import StartError
from conductor_trio.net.kernel import open_shared_socket
from conductor_trio.net.listeners import Listener

_LISTEN_FDS_START = 3  # sd_listen_fds(3)


@contextlib.contextmanager
def open_inherited_listeners(environment: MutableMapping[str, str]) -> Iterator[list[Listener]]:
    """Give the listeners that $LISTEN_FDS counts, none where they are not for this process; closed on leaving.

    The variables are gone from `environment`, and no child inherits the sockets. Raises `StartError` for a
    descriptor that is no listening stream socket.
    """
    count = environment.pop("LISTEN_FDS", "")
    pid = environment.pop("LISTEN_PID", "")
    environment.pop("LISTEN_FDNAMES", None)
    if not count or pid != str(os.getpid()):  # left over from a parent's environment
        yield []
        return
    if not count.isascii() or not count.isdigit():
        raise StartError(f"$LISTEN_FDS is no number of descriptors: {count}")
    with contextlib.ExitStack() as stack:
        listeners = []
        for descriptor in range(_LISTEN_FDS_START, _LISTEN_FDS_START + int(count)):
            listener = Listener(sock=_adopt(descriptor), is_inherited=True)
            stack.callback(listener.close)
            listeners.append(listener)
        yield listeners


def _adopt(descriptor: int) -> socket.socket:
    try:
        os.set_inheritable(descriptor, False)
        sock = open_shared_socket(descriptor)
    except OSError as error:
        raise StartError(f"inherited descriptor {descriptor} is no socket: {error.strerror}") from error
    if sock.type != socket.SOCK_STREAM or not sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        sock.close()
        raise StartError(
            f"inherited descriptor {descriptor} does not listen for stream connections (ListenStream=, Accept=no)"
        )
    return sock
