"""Pairs of connected sockets of the kernel, all that comes over one, and a listener that takes no more."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator

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


@contextlib.contextmanager
def full_backlog(path: str) -> Iterator[socket.socket]:
    """Listen at `path` without a place left for a connection."""
    with socket.socket(socket.AF_UNIX) as listener, contextlib.ExitStack() as stack:
        listener.bind(path)
        listener.listen(0)  # which some interpreters take for 1
        with contextlib.suppress(BlockingIOError):
            while True:
                waiting = stack.enter_context(
                    socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
                )
                waiting.connect(path)
        yield listener
