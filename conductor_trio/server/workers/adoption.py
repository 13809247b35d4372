"""Adoption, at the next server's end: the workers that have outlived a server are found, and lend its listeners.

Only a server that holds the runtime directory looks for them, so that of several at once one does. Nobody but the
server's user can make a socket there, unless others can write to the directory; whoever listens at one is believed
only if the kernel names that user, and the process after which the socket is called.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
from collections.abc import AsyncIterator

import attrs
import trio

from conductor_trio.limits.server import ServerLimits
from conductor_trio.log import Logger
from conductor_trio.net.kernel import open_shared_socket, pidfd_open
from conductor_trio.net.listeners import Listener
from conductor_trio.net.peer_credentials import peer_credentials
from conductor_trio.server.lifecycle.handover_channel import FAILURES, HandoverChannel, HandoverEnded
from conductor_trio.server.lifecycle.listeners import Handed, Role
from conductor_trio.server.lifecycle.runtime_directory import RuntimeDirectory
from conductor_trio.server.sessions.directory import find_session_directories, remove_session_directory
from conductor_trio.server.workers.member import AdoptedProcess
from conductor_trio.server.workers.orphan import PREFIX, VERSION
from conductor_trio.strict_json import parse_json


@attrs.frozen(eq=False, kw_only=True)
class Orphan:
    """A worker that serves on without its server, until it is adopted."""

    process: AdoptedProcess
    channel: HandoverChannel

    async def adopt(self, internal: str) -> trio.SocketStream:
        """Have it hand over what it cannot answer at that path; returns the feed. Raises what `FAILURES` names."""
        await self.channel.say(internal=internal)
        return trio.SocketStream(self.channel.detach())


@attrs.define(eq=False)
class Orphans:
    """All of them, and the directories of sessions that they may still lead to."""

    all: list[Orphan] = attrs.field(factory=list)
    _lent: dict[object, Listener] = attrs.field(factory=dict)  # by address
    directories: list[str] = attrs.field(factory=list)
    are_adopted: bool = False

    @property
    def listeners(self) -> list[Handed]:
        """What they lend."""
        return [(Role.PUBLIC, listener) for listener in self._lent.values()]

    def borrow(self, listener: Listener) -> None:
        """Take what one lends; of one socket, which they share, nothing is kept twice."""
        if self._lent.setdefault((listener.sock.family, listener.sock.getsockname()), listener) is not listener:
            listener.close()

    def remove_directories(self) -> list[str]:
        """Remove those directories, once no orphan is left; returns those in which something stays."""
        directories, self.directories = self.directories, []
        return [path for path in directories if not remove_session_directory(path)]


@contextlib.asynccontextmanager
async def open_orphans(runtime: RuntimeDirectory, limits: ServerLimits, log: Logger) -> AsyncIterator[Orphans]:
    """Give the workers that a killed server has left, with what they lend, which is closed on leaving.

    What has ended, or does not answer, is removed.
    """
    orphans = Orphans()
    with contextlib.ExitStack() as stack:
        async with trio.open_nursery() as nursery:
            for entry in _scan(runtime.path):
                nursery.start_soon(_meet, entry, orphans, stack, limits, log, name=f"meeting of {entry.name}")
        if orphans.all:
            with contextlib.suppress(OSError):
                orphans.directories += find_session_directories(runtime.sockets)
            log.info("adopting", workers=sorted(orphan.process.pid for orphan in orphans.all))
        yield orphans
        if orphans.are_adopted:
            orphans.remove_directories()


def _scan(directory: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(directory) as entries:
            return [entry for entry in entries if entry.name.removeprefix(PREFIX).isdigit()]
    except OSError:
        return []


async def _meet(
    entry: os.DirEntry[str], orphans: Orphans, stack: contextlib.ExitStack, limits: ServerLimits, log: Logger
) -> None:
    """Take what one of them lends; whoever is a worker of ours and does not answer is killed."""
    with contextlib.ExitStack() as meeting:
        try:
            channel, pidfd = _connect(entry, limits, meeting)
        except ConnectionRefusedError:  # it was killed, too
            _unlink(entry.path)
            return
        except OSError as error:
            log.warning("not_adopted", path=entry.path, error=error.strerror)
            return
        process = AdoptedProcess(int(entry.name.removeprefix(PREFIX)), pidfd)
        try:
            with trio.fail_after(limits.adoption_timeout):
                listeners = _take_listeners(await channel.receive_line(), channel, meeting)
        except HandoverEnded:  # it was about to end
            return
        except (ValueError, *FAILURES) as error:
            log.warning("not_adopted", path=entry.path, error=str(error) or "no answer in time")
            process.kill()
            with trio.move_on_after(limits.adoption_timeout):
                await process.wait()
            _unlink(entry.path)
            return
        orphans.all.append(Orphan(process=process, channel=channel))
        for listener in listeners:
            orphans.borrow(listener)
        stack.push(meeting.pop_all())


def _connect(
    entry: os.DirEntry[str], limits: ServerLimits, meeting: contextlib.ExitStack
) -> tuple[HandoverChannel, int]:
    """Return the channel to a worker, and a pidfd of it; raises OSError, PermissionError where it is none."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    channel = HandoverChannel(sock, limits)
    meeting.callback(channel.close)
    sock.connect(entry.path)  # at once, or never, for a UNIX socket
    peer = peer_credentials(sock)
    if peer.uid != os.geteuid() or str(peer.pid) != entry.name.removeprefix(PREFIX):
        raise PermissionError(errno.EACCES, f"the process {peer.pid} of the user with the id {peer.uid} has it")
    pidfd = pidfd_open(peer.pid)
    meeting.callback(os.close, pidfd)
    return channel, pidfd


def _unlink(path: str) -> None:
    with contextlib.suppress(OSError):
        os.unlink(path)


def _take_listeners(line: bytes, channel: HandoverChannel, stack: contextlib.ExitStack) -> list[Listener]:
    """Return what came with a worker's first word; raises ValueError for another word."""
    match parse_json(line):
        case {"adopt": version, "inherited": list() as inherited} if version == VERSION:
            pass
        case _:
            raise ValueError("it is of another version")
    listeners = []
    for is_inherited, descriptor in zip(inherited, channel.descriptors, strict=True):
        sock = open_shared_socket(os.dup(descriptor))
        stack.callback(sock.close)
        listener = Listener(sock=sock, is_inherited=is_inherited is True, owns_path=False)
        stack.callback(listener.close)
        listeners.append(listener)
    channel.close_descriptors()
    return listeners
