r"""A worker whose control process has gone: it waits for the next one, at a socket of its own, to be adopted.

::

    next server connects to <runtime>/adopt.PID
    worker → next server    {"adopt": 1, "inherited": [false, …]}     and with it the public listeners (SCM_RIGHTS)
    next server → worker    {"internal": "<path>"}                    it accepts: what is handed over goes there
                            from here on it is the feed (`routing.feed`), either way

The socket is there from the worker's start, so that a server that comes as soon as the one before has gone finds
it; nobody is heard before. The directory is locked meanwhile, lest the next server removes the sessions' sockets.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import json
import os
import socket
from collections.abc import Iterator, Sequence

import attrs
import trio

from conductor_trio.errors import StartError
from conductor_trio.limits.server import ServerLimits
from conductor_trio.log import Logger
from conductor_trio.net.listeners import Listener, listen_unix
from conductor_trio.net.peer_credentials import peer_credentials
from conductor_trio.server.lifecycle.handover_channel import FAILURES, HandoverChannel, HandoverEnded
from conductor_trio.strict_json import parse_json

VERSION = 1
#: What stands before the worker's id in its socket's name.
PREFIX = "adopt."
_MODE = 0o600


def adoption_path(runtime_dir: str, pid: int) -> str:
    """Return the path of a worker's socket."""
    return os.path.join(runtime_dir, f"{PREFIX}{pid}")


@attrs.frozen(kw_only=True)
class Adopter:
    """The next control process: what it tells comes over `feed`, what is handed over goes to `internal`."""

    feed: trio.SocketStream
    internal: str


@attrs.define(eq=False, kw_only=True)
class Orphanage:
    """A worker's socket, and what it lends there."""

    listeners: Sequence[Listener]
    limits: ServerLimits
    log: Logger
    _socket: Listener
    _lock: int

    async def wait_adopted(self) -> Adopter:
        """Return the first server that is about to accept in our place."""
        found: list[Adopter] = []
        async with trio.open_nursery() as nursery:

            async def lend(sock: socket.socket, _: str) -> None:
                channel = HandoverChannel(sock, self.limits)
                adopter = None
                try:
                    adopter = await self._lend(channel, sock)
                except (HandoverEnded, ValueError, *FAILURES) as error:
                    self.log.warning("not_adopted", error=str(error))
                finally:
                    if adopter is None or found:
                        channel.close()
                if adopter is not None and not found:
                    found.append(adopter)
                    nursery.cancel_scope.cancel()

            serve = functools.partial(self._socket.serve, on_shortage=self._note_shortage, task_name="adopter")
            await serve(lend, nursery)
        return found[0]

    async def _lend(self, channel: HandoverChannel, sock: socket.socket) -> Adopter:
        peer = peer_credentials(sock)
        if peer.uid != os.geteuid():
            raise ValueError(f"the user with the id {peer.uid} may not have a listener")
        # A path that was taken from one leads to a later one, which those who came after us have.
        lent = [one for one in self.listeners if one.path is None or one.has_its_path()]
        told = {"adopt": VERSION, "inherited": [one.is_inherited for one in lent]}
        await channel.send(json.dumps(told).encode() + b"\n", [one.sock.fileno() for one in lent])
        match parse_json(await channel.next_line()):
            case {"internal": str() as internal}:
                return Adopter(feed=trio.SocketStream(channel.detach()), internal=internal)
        raise ValueError("no word of a server's")

    def _note_shortage(self, error: OSError) -> None:
        self.log.warning("cannot_accept", error=error.strerror)

    def close(self) -> None:
        """Be found no more, and hold nothing back that the next server wants to remove."""
        self._socket.close()
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


@contextlib.contextmanager
def open_orphanage(
    runtime_dir: str, listeners: Sequence[Listener], limits: ServerLimits, log: Logger
) -> Iterator[Orphanage]:
    """Have a socket at which the next server finds us, until we end; raises `StartError`."""
    try:
        lock = os.open(runtime_dir, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise StartError(f"runtime directory {runtime_dir}: {error.strerror}") from error
    try:
        with contextlib.suppress(BlockingIOError):  # any user can hold it, which keeps all from sweeping
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        own = listen_unix(adoption_path(runtime_dir, os.getpid()), _MODE)
    except BaseException:
        os.close(lock)
        raise
    with contextlib.closing(
        Orphanage(listeners=listeners, limits=limits, log=log, socket=own, lock=lock)
    ) as orphanage:
        yield orphanage
