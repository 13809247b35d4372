r"""The hand-over from one server to the next, on ``<runtime>/handover``: listeners, ownership, and sessions.

::

    successor connects
    predecessor → successor    {"handover": 2, "listeners": [{"role": "public", "inherited": false}, …]}
                               and with it the descriptors (SCM_RIGHTS) of the ownership lock and of the listeners
    successor → predecessor    {"ready": true}      everything that can fail is done
    predecessor → successor    a snapshot of its routes (`routing.snapshot`), with the relay sockets of those
                               sessions that it lends, and the descriptor of the operators' listener; from here on
                               it does not accept
    successor → predecessor    {"taken": true}      the successor accepts, and what has a path is its own
    successor → predecessor    {"route": …}, …      whom the sessions let in, which are over (see `access_feed`)
    successor → predecessor    {"released": true}   it uses the sessions no more
    either closes              the predecessor ends its sessions, and the successor uses them no more

Until it has read ``taken`` the predecessor goes on if anything fails, a successor that it has told its state
killed first, lest both accept. Each step up to there has a deadline.

A successor also takes over from a server of version 1, whose snapshot is two lines: of all routes, and of those
that it lends, and which knows no end of the use but the close.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import signal
import socket
from collections.abc import AsyncIterator, Iterator

import attrs
import trio

from conductor_trio.errors import StartError
from conductor_trio.limits.constants import HANDOVER_PIECE_SIZE
from conductor_trio.limits.server import ServerLimits
from conductor_trio.log import Logger
from conductor_trio.net.kernel import open_shared_socket, pidfd_open, pidfd_send_signal
from conductor_trio.net.listeners import Listener
from conductor_trio.net.peer_credentials import peer_credentials
from conductor_trio.server.lifecycle.access_feed import RELEASED, AccessFeed, apply_access_line
from conductor_trio.server.lifecycle.borrowed import BorrowedSessions
from conductor_trio.server.lifecycle.handover_channel import FAILURES, HandoverChannel, HandoverEnded
from conductor_trio.server.lifecycle.listeners import Handed, Listeners, Role
from conductor_trio.server.lifecycle.state_file import take_snapshot
from conductor_trio.server.orders.orders import Orders
from conductor_trio.server.routing.snapshot import (
    Snapshot,
    SnapshotReader,
    format_snapshot,
    parse_lent_v1,
    parse_snapshot,
)
from conductor_trio.server.routing.table import RouteTable
from conductor_trio.server.sessions.records import SessionRecords
from conductor_trio.strict_json import parse_json

_VERSION = 2

# The predecessor's side.


class Successor:
    """A server that is ready to take our place; whoever has it closes it."""

    def __init__(self, channel: HandoverChannel, pidfd: int, admin: Listener) -> None:
        self._channel = channel
        self._pidfd = pidfd
        self._admin = admin

    async def hand_over(self, routes: RouteTable, orders: Orders | None = None) -> bool:
        """Return whether it accepts from now on; if not, it has ended."""
        with contextlib.suppress(HandoverEnded, *FAILURES):
            # One whose path somebody has taken is of no use.
            piece, lent = b"", [self._admin.sock.fileno()] if self._admin.has_its_path() else []
            for line in format_snapshot(take_snapshot(routes, orders or Orders())):
                piece += line
                if len(piece) >= HANDOVER_PIECE_SIZE:
                    await self._channel.send(piece, lent)
                    piece, lent = b"", []
            await self._channel.send(piece, lent)
            await self._channel.hear("taken")
            return True
        with contextlib.suppress(ProcessLookupError):
            pidfd_send_signal(self._pidfd, signal.SIGKILL)
        return False

    async def follow(self, routes: RouteTable, records: SessionRecords, released: trio.Event) -> None:
        """Let in no more whom it lets in no more, and end the sessions that are over, until it closes.

        `released` is set as soon as it uses our sessions no more. A line that is none of the channel's ends it.
        """
        try:
            while True:
                line = await self._channel.next_line()
                if line == RELEASED:
                    released.set()
                else:
                    apply_access_line(line, routes, records)
        except (HandoverEnded, ValueError, *FAILURES):
            pass
        finally:
            released.set()

    def close(self) -> None:
        """Forget it, and let it know that our sessions end."""
        self._channel.close()
        os.close(self._pidfd)


class HandoverHost:
    """Lends our listeners to whoever asks as the same user, until one is ready to take our place."""

    def __init__(self, listeners: Listeners, ownership: int, limits: ServerLimits, log: Logger) -> None:
        self._listeners = listeners
        self._ownership = ownership
        self._limits = limits
        self._log = log

    async def wait_successor(self) -> Successor:
        """Return the first server that is ready."""
        ready: list[Successor] = []
        try:
            async with trio.open_nursery() as nursery:

                async def lend(sock: socket.socket, _: str) -> None:
                    with contextlib.ExitStack() as stack:
                        if (successor := await self._lend_to(sock, stack)) is not None:
                            stack.pop_all()
                            ready.append(successor)
                            nursery.cancel_scope.cancel()

                handover = self._listeners.handover
                await handover.serve(lend, nursery, on_shortage=self._note_failure, task_name="successor")
        except BaseException:
            for successor in ready:
                successor.close()
            raise
        first, *others = ready  # several at the same moment
        for successor in others:
            successor.close()
        return first

    async def _lend_to(self, sock: socket.socket, stack: contextlib.ExitStack) -> Successor | None:
        """Return the server at the other end once it is ready; None where it never will be."""
        channel = HandoverChannel(sock, self._limits)
        stack.callback(channel.close)
        try:
            pidfd = _open_peer(sock)
            stack.callback(os.close, pidfd)
            await self._lend(channel)
        except (HandoverEnded, *FAILURES) as error:
            self._note_failure(error)
            return None
        return Successor(channel, pidfd, self._listeners.admin)

    def _note_failure(self, error: BaseException) -> None:
        self._log.warning("handover_failed", error=_words(error))

    async def _lend(self, channel: HandoverChannel) -> None:
        lent = self._listeners.by_role
        descriptors = [self._ownership, *(listener.sock.fileno() for _, listener in lent)]
        described = [{"role": role.value, "inherited": listener.is_inherited} for role, listener in lent]
        await channel.send(
            json.dumps({"handover": _VERSION, "listeners": described}).encode() + b"\n", descriptors
        )
        await channel.hear("ready")


def _open_peer(sock: socket.socket) -> int:
    """Return a pidfd of who called connect(); raises PermissionError where that is another user."""
    peer = peer_credentials(sock)
    if peer.uid != os.geteuid():
        raise PermissionError(errno.EACCES, f"the user with the id {peer.uid} may not take over")
    return pidfd_open(peer.pid)


# The successor's side.


@attrs.define(eq=False)
class Predecessor:
    """The running server, which lends us its listeners, none of whose paths are ours yet."""

    ownership: int  #: the descriptor of the lock whose holder accepts
    listeners: list[Handed]
    _version: int
    _channel: HandoverChannel
    _limits: ServerLimits

    async def take(self, listeners: Listeners | None = None) -> Snapshot:
        """Return its sessions; now it does not accept. Raises `StartError`.

        The operators' listener, if that comes with them, is the one of `listeners` from now on.
        """
        try:
            await self._channel.say(ready=True)
            if self._version == 1:
                return await self._take_v1()
            reader = SnapshotReader(self._limits)
            while not reader.is_complete:
                reader.receive_line(await self._channel.receive_line())
            if listeners is not None:
                for descriptor in self._channel.descriptors[1 + len(self.listeners) :]:
                    listeners.adopt_admin(open_shared_socket(os.dup(descriptor)))
            return reader.snapshot
        except (HandoverEnded, ValueError, *FAILURES) as error:
            raise _failed(error) from error

    async def _take_v1(self) -> Snapshot:
        """Return the sessions that it lends, and then all of them once more, which is how they are restored."""
        expected = parse_snapshot([await self._channel.receive_line()], self._limits)
        lent = parse_lent_v1(await self._channel.receive_line(), expected.since)
        return attrs.evolve(expected, routes=(*lent, *expected.routes))

    async def confirm(self) -> None:
        """Tell it that we accept; whether it hears that or has ended makes no difference."""
        self._channel.close_descriptors()  # its ownership is ours alone from now on
        with contextlib.suppress(*FAILURES):
            await self._channel.say(taken=True)

    async def use(self, borrowed: BorrowedSessions, feed: AccessFeed) -> None:
        """Use the sessions that it lends while they are needed, and tell it of changes of access until it ends."""
        try:
            async with trio.open_nursery() as nursery:

                async def await_end() -> None:
                    await self._channel.wait_closed()
                    nursery.cancel_scope.cancel()

                nursery.start_soon(await_end, name="end of the predecessor")
                if self._version > 1:
                    nursery.start_soon(self._tell, feed, name="access feed")
                await borrowed.wait_moved()
                borrowed.end()
                if self._version == 1:
                    nursery.cancel_scope.cancel()
                else:
                    feed.note_released()
        finally:
            borrowed.end()
            feed.close()
            self._channel.close()

    async def _tell(self, feed: AccessFeed) -> None:
        with contextlib.suppress(*FAILURES):
            while True:
                await self._channel.send(await feed.next_line())


@contextlib.asynccontextmanager
async def open_predecessor(path: str, limits: ServerLimits) -> AsyncIterator[Predecessor | None]:
    """Give the server whose hand-over socket is at `path`, None where none runs; raises `StartError`.

    What it lent is closed on leaving.
    """
    with contextlib.ExitStack() as stack:
        try:
            channel = await _connect(path, limits)
            if channel is not None:
                stack.callback(channel.close)
                line = await channel.receive_line()
                predecessor = stack.enter_context(_borrowed(line, channel))
            else:
                predecessor = None
        except (HandoverEnded, ConnectionResetError, trio.BrokenResourceError):
            predecessor = None  # it was about to end
        except (ValueError, *FAILURES) as error:
            raise _failed(error) from error
        yield predecessor


async def _connect(path: str, limits: ServerLimits) -> HandoverChannel | None:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        sock.connect(path)  # at once, or never, for a UNIX socket
        if peer_credentials(sock).uid != os.geteuid():  # none of ours, who could give us anything
            sock.close()
            return None
    except (FileNotFoundError, ConnectionRefusedError):
        sock.close()
        return None
    except BaseException:
        sock.close()
        raise
    return HandoverChannel(sock, limits)


@contextlib.contextmanager
def _borrowed(line: bytes, channel: HandoverChannel) -> Iterator[Predecessor]:
    """Give what a predecessor lends; raises ValueError where its words are none of this version."""
    with contextlib.ExitStack() as stack:
        ownership, *lent = channel.descriptors
        version, offered = _parse_offer(line)
        handed = []
        for (role, is_inherited), descriptor in zip(offered, lent, strict=True):
            sock = open_shared_socket(os.dup(descriptor))
            listener = Listener(sock=sock, is_inherited=is_inherited, owns_path=False)
            stack.callback(listener.close)
            handed.append((role, listener))
        yield Predecessor(ownership, handed, version, channel, channel.limits)


def _parse_offer(line: bytes) -> tuple[int, list[tuple[Role, bool]]]:
    """Return the version that the predecessor speaks, whom each listener is for, and whether it was inherited."""
    offered = []
    match parse_json(line):
        case {"handover": (1 | 2) as version, "listeners": list() as listeners}:
            for listener in listeners:
                match listener:
                    case {"role": str() as role, "inherited": bool() as is_inherited}:
                        offered.append((Role(role), is_inherited))
                    case _:
                        raise ValueError("it offers something unknown; stop it first")
            return version, offered
    raise ValueError("it is of another version; stop it first")


def _failed(error: BaseException) -> StartError:
    return StartError(f"cannot take over from the running server: {_words(error)}")


def _words(error: BaseException) -> str:
    if isinstance(error, trio.TooSlowError):
        return "no answer in time"
    return getattr(error, "strerror", None) or str(error)
