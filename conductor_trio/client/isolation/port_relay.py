"""The port relay: from a UNIX socket to a TCP port of this network namespace, wherever on localhost that is."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
from collections.abc import Callable

import attrs
import trio

from conductor_trio.limits.client import ClientLimits
from conductor_trio.net.listeners import open_unix_listener, serve_connections
from conductor_trio.net.procfs import tcp_listeners
from conductor_trio.net.relay import Relays
from conductor_trio.net.shared_buffer import SharedBuffer
from conductor_trio.net.stream import SocketStream, set_tcp_options

_SOCKET_MODE = 0o600

_ANY = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104


@attrs.frozen(kw_only=True)
class Address:
    """Where to connect to."""

    family: int
    host: str
    inode: int = attrs.field(default=0, eq=False)  # of the socket that listens there


def find_listener(port: int, owner: int | None) -> Address | None:
    """Return where someone listens on the port, localhost preferred; nobody but `owner`, unless that is None."""
    found = [
        Address(family=listener.family, host=_ANY.get(listener.host, listener.host), inode=listener.inode)
        for listener in tcp_listeners()
        if listener.port == port and owner in (None, listener.uid)
    ]
    return min(found, key=lambda address: address.host not in _ANY.values(), default=None)


@attrs.frozen(kw_only=True)
class PortRelay:
    """Connections to `local_socket` go to `port`."""

    port: int
    owner: int | None
    local_socket: str
    on_shortage: Callable[[OSError], None]
    limits: ClientLimits = attrs.field(factory=ClientLimits)
    _relays: Relays = attrs.field(init=False)
    _accepting: trio.CancelScope = attrs.field(factory=trio.CancelScope, init=False)

    @_relays.default
    def _make_relays(self) -> Relays:
        return Relays(self.limits, SharedBuffer(self.limits.splice_size))

    async def run(self) -> None:
        """Wait until someone listens on the port, then relay until `end`; raises `StartError`, in a group."""
        async with trio.open_nursery() as nursery:
            with self._accepting:
                await self._accept(nursery)
            self._relays.finish()

    def end(self) -> None:
        """Accept no more, and be over once the application's last words have been passed on, or soon anyway."""
        self._accepting.cancel()

    async def _accept(self, nursery: trio.Nursery) -> None:
        # No event tells that another program listens on a port.
        pause = self.limits.probe_pause
        while not self._is_listened_on():
            await trio.sleep(pause)
            pause = min(pause * self.limits.probe_growth, self.limits.max_probe_pause)
        with open_unix_listener(self.local_socket, _SOCKET_MODE) as listener:
            await serve_connections(
                listener,
                self._connect_through,
                nursery,
                on_shortage=self.on_shortage,
                task_name="relayed connection",
            )

    def _is_listened_on(self) -> bool:
        try:
            return find_listener(self.port, self.owner) is not None
        except OSError:  # no descriptor left to look: another time
            return False

    async def _connect_through(self, sock: socket.socket, _: str) -> None:
        """Splice one connection with one to the port; closed at once where nobody listens there."""
        with contextlib.closing(SocketStream(sock)) as visitor:
            try:
                application = await self._connect()
            except OSError:
                return
            with contextlib.closing(application):
                await self._relays.run(visitor, application)

    async def _connect(self) -> SocketStream:
        # Looked for each time: an application may start anew, on another address.
        address = find_listener(self.port, self.owner)
        if address is None:
            raise ConnectionRefusedError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED))
        sock = socket.socket(address.family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            set_tcp_options(sock)
            await _connect(sock, address.host, self.port, self.limits.unix_connect_timeout)
            if self.owner is not None:
                self._check_still_there(address)
        except BaseException:
            sock.close()
            raise
        return SocketStream(sock)

    def _check_still_there(self, address: Address) -> None:
        """Raise OSError unless the socket that listened before a connection was made listens after it, too.

        On the host's localhost another user may have taken the port in between, whom our visitors must not meet.
        """
        found = find_listener(self.port, self.owner)
        if found is None or found.inode != address.inode:
            raise ConnectionAbortedError(errno.ECONNABORTED, os.strerror(errno.ECONNABORTED))


async def _connect(sock: socket.socket, host: str, port: int, connect_timeout: float) -> None:
    number = sock.connect_ex((host, port))
    if number == errno.EINPROGRESS:
        with trio.move_on_after(connect_timeout) as scope:
            await trio.lowlevel.wait_writable(sock)
        number = errno.ETIMEDOUT if scope.cancelled_caught else sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if number:
        raise OSError(number, os.strerror(number))
