"""Connections to UNIX sockets, tried again while the backlog is full."""

from __future__ import annotations

import os
import socket

import trio

from conductor_trio.errors import UpstreamUnavailable
from conductor_trio.limits.constants import BACKLOG_PAUSES, MAX_SOCKET_PATH, UNIX_SEND_BUFFER_SIZE
from conductor_trio.net.stream import SocketStream


async def connect_unix(path: str, *, connect_timeout: float, send_timeout: float = float("inf")) -> SocketStream:
    """Return a stream over a connection to a UNIX socket, made as `connect_unix_socket` does."""
    return SocketStream(
        await connect_unix_socket(path, connect_timeout=connect_timeout), send_timeout=send_timeout
    )


async def connect_unix_socket(path: str, *, connect_timeout: float) -> socket.socket:
    """Connect to a UNIX socket; raises `UpstreamUnavailable` with 502, or 503 while its backlog is full.

    A full backlog answers a non-blocking connect() with EAGAIN and leaves the socket unconnected (unix(7)),
    so that is tried again for `connect_timeout` seconds.
    """
    try:
        encoded = os.fsencode(path)
    except UnicodeEncodeError:
        encoded = b"\0"
    if b"\0" in encoded:
        raise UpstreamUnavailable("the path of the socket is none")
    if len(encoded) > MAX_SOCKET_PATH:
        raise UpstreamUnavailable(f"the path of the socket is longer than {MAX_SOCKET_PATH} bytes")
    deadline = trio.current_time() + connect_timeout
    pauses = iter(BACKLOG_PAUSES)
    while True:
        sock = _open_unix_socket()
        try:
            sock.connect(path)
        except BlockingIOError:
            sock.close()
        except OSError as error:
            sock.close()
            raise UpstreamUnavailable(f"cannot connect: {error.strerror}") from error
        else:
            return sock
        if trio.current_time() >= deadline:
            raise UpstreamUnavailable("its backlog is full", status=503)
        await trio.sleep(next(pauses, BACKLOG_PAUSES[-1]))


def _open_unix_socket() -> socket.socket:
    try:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    except OSError as error:  # EMFILE, ENFILE, ENOBUFS
        raise UpstreamUnavailable(f"no socket left: {error.strerror}", status=503) from error
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, UNIX_SEND_BUFFER_SIZE)
    return sock
