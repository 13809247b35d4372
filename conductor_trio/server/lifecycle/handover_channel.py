"""The channel between two servers at a hand-over: lines, and descriptors with some of them."""

from __future__ import annotations

import array
import contextlib
import json
import os
import socket
from collections.abc import Sequence

import trio

from conductor_trio.control.lines import LineReader
from conductor_trio.errors import ConductorError, RemoteProtocolError
from conductor_trio.limits.constants import HANDOVER_PIECE_SIZE, MAX_PASSED_DESCRIPTORS, MAX_SNAPSHOT_V1
from conductor_trio.limits.server import ServerLimits
from conductor_trio.net.kernel import MSG_CMSG_CLOEXEC

FAILURES = (OSError, trio.BrokenResourceError, trio.TooSlowError, RemoteProtocolError)


class HandoverEnded(ConductorError):
    """The other server closed the connection."""


class HandoverChannel:
    """A connection between two servers: lines, and descriptors with some of them, kept in the order they came."""

    def __init__(self, sock: socket.socket, limits: ServerLimits) -> None:
        self._sock = trio.socket.from_stdlib_socket(sock)
        self.limits = limits
        self._lines = LineReader(MAX_SNAPSHOT_V1)
        self.descriptors = array.array("i")

    async def send(self, line: bytes, descriptors: Sequence[int] = ()) -> None:
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))] if descriptors else []
        with trio.fail_after(self.limits.handover_timeout):
            sent = await self._sock.sendmsg([line], rights)
            while sent < len(line):
                sent += await self._sock.send(line[sent:])

    async def say(self, **message: object) -> None:
        await self.send(json.dumps(message).encode() + b"\n")

    async def hear(self, word: str) -> None:
        """Wait for that one word."""
        line = await self.receive_line()
        if line != json.dumps({word: True}).encode():
            raise RemoteProtocolError(f"{word} was expected")

    async def receive_line(self) -> bytes:
        with trio.fail_after(self.limits.handover_timeout):
            return await self.next_line()

    async def next_line(self) -> bytes:
        """Wait for a line, however long it takes."""
        size = socket.CMSG_SPACE(MAX_PASSED_DESCRIPTORS * self.descriptors.itemsize)
        while (line := self._lines.next_event()) is None:
            data, rights, _, _ = await self._sock.recvmsg(HANDOVER_PIECE_SIZE, size, MSG_CMSG_CLOEXEC)
            for level, kind, content in rights:
                if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                    self.descriptors.frombytes(content)
            if not data:
                raise HandoverEnded("the other server closed the connection")
            self._lines.receive_data(data)
        return line

    async def wait_closed(self) -> None:
        """Wait for the other server's close, or its end, however long it takes: a deadline is the caller's."""
        with contextlib.suppress(*FAILURES):
            while await self._sock.recv(HANDOVER_PIECE_SIZE):
                pass

    def detach(self) -> trio.socket.SocketType:
        """Return the connection, to be another's from now on, before whoever is at the other end has said more."""
        self.close_descriptors()
        return self._sock

    def close(self) -> None:
        self._sock.close()
        self.close_descriptors()

    def close_descriptors(self) -> None:
        while self.descriptors:
            os.close(self.descriptors.pop())
