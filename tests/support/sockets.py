"""Pairs of connected sockets of the kernel, and all that comes over one."""

from __future__ import annotations

import socket

from conductor_trio.net.listeners import open_tcp_listeners
from conductor_trio.net.stream import Stream


def tcp_sockets() -> tuple[socket.socket, socket.socket]:
    with open_tcp_listeners("127.0.0.1", 0) as listeners:
        one = socket.create_connection(listeners[0].sock.getsockname())
        other, _ = listeners[0].sock.accept()
    return one, other


async def receive_all(stream: Stream, max_bytes: int = 65536) -> bytes:
    data = bytearray()
    while piece := await stream.receive_some(max_bytes):
        data += piece
    return bytes(data)
