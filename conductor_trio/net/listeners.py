"""Listening sockets of TCP and UNIX, and the accept loop, which outlives a lack of descriptors."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import Any

import attrs
import trio

from conductor_trio.errors import StartError
from conductor_trio.limits.constants import LISTEN_BACKLOG, MAX_ACCEPTS, MAX_SOCKET_PATH, SHORTAGE_PAUSE
from conductor_trio.net.stream import set_tcp_options

#: Errors that tell of a shortage that passes (accept(2), "Error handling").
OUT_OF_RESOURCES = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}

TcpAddress = tuple[Any, ...]  # as getaddrinfo() gives it
#: Gets what was accepted, and the IP address that it comes from, "" for a UNIX socket.
Handler = Callable[[socket.socket, str], Awaitable[None]]


@attrs.define(eq=False, kw_only=True)
class Listener:
    """A listening socket, and who looks after its path, if it has one."""

    sock: socket.socket
    is_inherited: bool = False  #: from our parent, which keeps it open and will give it to our successor, too
    owns_path: bool = True  #: its path is ours to remove
    path: str | None = attrs.field(init=False)  #: of a UNIX socket that has one
    _file: os.stat_result | None = attrs.field(init=False)
    _accepting: trio.CancelScope = attrs.field(factory=trio.CancelScope, init=False)

    def __attrs_post_init__(self) -> None:
        name = self.sock.getsockname() if self.sock.family == socket.AF_UNIX else None
        self.path = name if isinstance(name, str) and name else None  # an abstract name comes as bytes
        self._file = None if self.path is None else _status(self.path)
        set_tcp_options(self.sock)

    @property
    def is_reachable(self) -> bool:
        """Whether its path, if it has one, is still that of a socket."""
        return self.path is None or self._file is not None

    def has_its_path(self) -> bool:
        """Whether its path leads to it at this moment."""
        assert self.path is not None
        found = _status(self.path)
        return found is not None and self._file is not None and os.path.samestat(found, self._file)

    def listen_again(self, mode: int) -> None:
        """Listen anew at the path, which no longer leads here; raises `StartError`. What waits here is lost."""
        assert self.path is not None
        anew = listen_unix(self.path, mode)
        former, self.sock, self._file = self.sock, anew.sock, anew._file
        self._accepting.cancel()
        former.close()

    def succeed(self, sock: socket.socket, path: str) -> None:
        """Listen by another process's socket, to which that path leads, in the place of our own.

        The path is still the other's to remove. Before `serve`.
        """
        self.close()
        self.sock, self.path, self._file, self.owns_path = sock, path, _status(path), False

    async def serve(
        self,
        handler: Handler,
        nursery: trio.Nursery,
        *,
        on_shortage: Callable[[OSError], None],
        task_name: str = "connection",
        pace: Callable[[], Awaitable[None]] | None = None,
        max_accepts: int = MAX_ACCEPTS,
    ) -> None:
        """Accept for ever, as `serve_connections` does, wherever it listens."""
        while True:
            with trio.CancelScope() as self._accepting:
                await serve_connections(
                    self.sock,
                    handler,
                    nursery,
                    on_shortage=on_shortage,
                    task_name=task_name,
                    pace=pace,
                    max_accepts=max_accepts,
                )

    def move_to(self, path: str) -> None:
        """Have another path lead here from now on, in the place of another socket; raises `StartError`.

        Then none leads here, and the path is still the one that should.
        """
        assert self.path is not None
        former, self.path = self.path, path
        try:
            if os.path.lexists(path) and _status(path) is None:
                raise FileExistsError(errno.EEXIST, "a file that is no socket is there")
            os.rename(former, path)
        except OSError as error:
            with contextlib.suppress(OSError):
                os.unlink(former)
            raise StartError(f"cannot listen on {path}: {error.strerror}") from error

    def close(self) -> None:
        """Accept no more; the path goes, too, where it is ours and still that of the same socket."""
        self.sock.close()
        if self.path is not None and self._file is not None and self.owns_path and not self.is_inherited:
            with contextlib.suppress(OSError):
                if os.path.samestat(os.lstat(self.path), self._file):
                    os.unlink(self.path)
                self._file = None  # whoever has the path next is not ours


def _status(path: str) -> os.stat_result | None:
    """Return the status of the socket at a path, None where there is none."""
    try:
        found = os.lstat(path)
    except OSError:
        return None
    return found if stat.S_ISSOCK(found.st_mode) else None


def tcp_addresses(host: str, port: int) -> list[tuple[int, TcpAddress]]:
    """Return the family and address of every address of `host`, "" for all; raises `StartError`."""
    try:
        found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, OverflowError, UnicodeError) as error:
        raise _cannot_listen(host, port, error) from error
    return list(dict.fromkeys((family, address) for family, _, _, _, address in found))


def listen_tcp(family: int, address: TcpAddress) -> Listener:
    """Listen on an address; raises OSError."""
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(address)
        listener = Listener(sock=sock)
        sock.listen(LISTEN_BACKLOG)
    except BaseException:
        sock.close()
        raise
    return listener


@contextlib.contextmanager
def open_tcp_listeners(host: str, port: int, held: Iterable[Listener] = ()) -> Iterator[list[Listener]]:
    """Listen on every address of `host`, with those of `held` that do so already; raises `StartError`.

    What is listened on newly is closed on leaving.
    """
    addresses = tcp_addresses(host, port)
    with contextlib.ExitStack() as stack:
        listeners = []
        for family, address in addresses:
            listener = next((one for one in held if _listens_on(one.sock, family, address)), None)
            if listener is None:
                try:
                    listener = listen_tcp(family, address)
                except (OSError, OverflowError) as error:
                    # A host without IPv6 still names ::1 for localhost, and a kernel without it :: for any.
                    unusable = getattr(error, "errno", None) in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
                    if unusable and len(addresses) > 1:
                        continue
                    raise _cannot_listen(host, port, error) from error
                stack.callback(listener.close)
            listeners.append(listener)
        if not listeners:
            raise StartError(f"cannot listen on {host} port {port}: no usable address")
        yield listeners


def _listens_on(sock: socket.socket, family: int, address: TcpAddress) -> bool:
    """Whether a socket listens on an address; on any port where that is 0."""
    if sock.family != family:
        return False
    host, port = sock.getsockname()[:2]
    return host == address[0] and address[1] in (0, port)


def _cannot_listen(host: str, port: int, error: Exception) -> StartError:
    what = getattr(error, "strerror", None) or str(error)
    return StartError(f"cannot listen on {host or '*'} port {port}: {what}")


@contextlib.contextmanager
def open_unix_listener(path: str, mode: int) -> Iterator[socket.socket]:
    """Listen on a UNIX socket of exactly that mode; raises `StartError`. Closed and unlinked on leaving.

    A socket that nobody listens on is replaced; one in use, and anything that is no socket, is left alone.
    """
    with contextlib.closing(listen_unix(path, mode)) as listener:
        yield listener.sock


def listen_unix(path: str, mode: int) -> Listener:
    """Listen on a UNIX socket as `open_unix_listener` does."""
    if len(os.fsencode(path)) > MAX_SOCKET_PATH:
        raise StartError(f"cannot listen on {path}: the path is longer than {MAX_SOCKET_PATH} bytes")
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        _remove_stale(path)
        sock.bind(path)
    except OSError as error:
        sock.close()
        raise StartError(f"cannot listen on {path}: {error.strerror}") from error
    listener = Listener(sock=sock)
    try:
        # Nobody can connect between bind() and listen(), so the mode is in force from the first moment.
        os.chmod(path, mode)
        sock.listen(LISTEN_BACKLOG)
    except OSError as error:
        listener.close()
        raise StartError(f"cannot listen on {path}: {error.strerror}") from error
    return listener


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
    task_name: str = "connection",
    pace: Callable[[], Awaitable[None]] | None = None,
    max_accepts: int = MAX_ACCEPTS,
) -> None:
    """Accept for ever, starting `handler` in `nursery` for each connection; the handler owns the socket.

    The task is named by what it serves and, over TCP, from where that comes: "visitor 192.0.2.1".
    `on_shortage` hears of a lack of descriptors or memory, each time that accepting pauses for it. `pace`, if any,
    is awaited before some more are accepted, at most `max_accepts`. The handler must contain its own exceptions,
    which would end the nursery.
    """
    listener.setblocking(False)
    while True:
        await trio.lowlevel.wait_readable(listener)
        if pace is not None:  # as it is now, however long nobody came
            await pace()
        for _ in range(max_accepts):
            try:
                sock, address = listener.accept()
            except BlockingIOError:
                break
            except OSError as error:
                if error.errno in OUT_OF_RESOURCES:
                    on_shortage(error)
                    await trio.sleep(SHORTAGE_PAUSE)
                # Anything else is the fate of that one connection (accept(2)).
                break
            source = address[0] if isinstance(address, tuple) else ""
            nursery.start_soon(handler, sock, source, name=f"{task_name} {source}" if source else task_name)
