"""Listening sockets, and accept loops that survive whatever the kernel or a handler does."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat
from collections.abc import Awaitable, Callable, Iterator

import trio

from conductor_trio.config import MAX_SOCKET_PATH
from conductor_trio.errors import StartError

BACKLOG = 1024  # the kernel cuts it to net.core.somaxconn

# What accept() reports of one connection or of a shortage that passes (accept(2), "Error handling").
_OUT_OF_RESOURCES = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
_RESOURCE_PAUSE = 0.1

# Connections taken before other tasks have their turn: about a millisecond's worth.
_MAX_ACCEPTS = 64

Handler = Callable[[socket.socket], Awaitable[None]]


@contextlib.contextmanager
def open_tcp_listeners(host: str, port: int) -> Iterator[list[socket.socket]]:
    """Listen on every address of `host`; raises `StartError`. Closed on leaving."""
    with contextlib.ExitStack() as stack:
        try:
            found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
            addresses = list(dict.fromkeys((family, address) for family, _, _, _, address in found))
            listeners = []
            for family, address in addresses:
                try:
                    sock = stack.enter_context(socket.socket(family, socket.SOCK_STREAM))
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    if family == socket.AF_INET6:
                        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                    sock.bind(address)
                except OSError as error:
                    # A host without IPv6 still names ::1 for localhost, and a kernel without it :: for any.
                    if error.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT) and len(addresses) > 1:
                        continue
                    raise
                sock.listen(BACKLOG)
                listeners.append(sock)
        except (OSError, OverflowError, UnicodeError) as error:
            what = getattr(error, "strerror", None) or str(error)
            raise StartError(f"cannot listen on {host or '*'} port {port}: {what}") from error
        if not listeners:
            raise StartError(f"cannot listen on {host} port {port}: no usable address")
        yield listeners


@contextlib.contextmanager
def open_unix_listener(path: str, mode: int) -> Iterator[socket.socket]:
    """Listen on a UNIX socket of exactly that mode; raises `StartError`. Closed and unlinked on leaving.

    A socket that nobody listens on is replaced; one in use, and anything that is no socket, is left alone.
    """
    if len(os.fsencode(path)) > MAX_SOCKET_PATH:
        raise StartError(f"cannot listen on {path}: the path is longer than {MAX_SOCKET_PATH} bytes")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        try:
            _remove_stale(path)
            sock.bind(path)
            ours = os.lstat(path)
        except OSError as error:
            raise StartError(f"cannot listen on {path}: {error.strerror}") from error
        try:
            # Nobody can connect between bind() and listen(), so the mode is in force from the first moment.
            os.chmod(path, mode)
            sock.listen(BACKLOG)
            yield sock
        finally:
            with contextlib.suppress(OSError):
                if os.path.samestat(os.lstat(path), ours):
                    os.unlink(path)


def _remove_stale(path: str) -> None:
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(found.st_mode):
        raise FileExistsError(errno.EEXIST, "a file that is no socket is there")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as probe:
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
        except BlockingIOError:  # in use, and busy
            raise OSError(errno.EADDRINUSE, "someone listens there") from None
        else:
            raise OSError(errno.EADDRINUSE, "someone listens there")


async def serve_connections(
    listener: socket.socket,
    handler: Handler,
    nursery: trio.Nursery,
    *,
    on_shortage: Callable[[OSError], None],
) -> None:
    """Accept for ever, starting `handler` in `nursery` for each connection; the handler owns the socket.

    `on_shortage` hears of a lack of descriptors or memory, each time that accepting pauses for it. The handler
    must contain its own exceptions, which would end the nursery.
    """
    listener.setblocking(False)
    while True:
        await trio.lowlevel.wait_readable(listener)
        for _ in range(_MAX_ACCEPTS):
            try:
                sock, _ = listener.accept()
            except BlockingIOError:
                break
            except OSError as error:
                if error.errno in _OUT_OF_RESOURCES:
                    on_shortage(error)
                    await trio.sleep(_RESOURCE_PAUSE)
                # Anything else is the fate of that one connection (accept(2)).
                break
            nursery.start_soon(handler, sock)
