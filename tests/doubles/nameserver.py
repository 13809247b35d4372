"""A nameserver that answers every question alike, and how one program is made to ask it. For root only."""

from __future__ import annotations

import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import trio

from tests.support.needs import require_program, require_root

_ADDRESS = "127.0.0.77"  # of no resolver that a machine has of its own
_A = 1
_HEADER = 12

# What is mounted is seen by that program alone.
_SCRIPT = 'mount --bind "$1" /etc/resolv.conf && shift && exec "$@"'


def _answer(question: bytes, address: str) -> bytes:
    """Return an answer (RFC 1035 section 4.1) that says so for A, and nothing for all other types."""
    end = question.index(b"\0", _HEADER) + 5
    (kind,) = struct.unpack("!H", question[end - 4 : end - 2])
    answers = 1 if kind == _A else 0
    head = question[:2] + struct.pack("!5H", 0x8180, 1, answers, 0, 0)
    record = struct.pack("!HHHIH", 0xC00C, _A, 1, 60, 4) + socket.inet_aton(address)
    return head + question[_HEADER:end] + (record if answers else b"")


@asynccontextmanager
async def open_nameserver(directory: Path, address: str = "127.0.0.1") -> AsyncIterator[list[str]]:
    """Run it, and give the words before a command that asks it: every name is that of `address`."""
    require_root()
    config = directory / "resolv.conf"
    config.write_text(f"nameserver {_ADDRESS}\n")
    with trio.socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        await sock.bind((_ADDRESS, 53))
        async with trio.open_nursery() as nursery:

            async def serve() -> None:
                while True:
                    question, peer = await sock.recvfrom(512)
                    await sock.sendto(_answer(question, address), peer)

            nursery.start_soon(serve)  # noqa: ASYNC113  # what comes before waits in the socket
            yield [require_program("unshare"), "--mount", "sh", "-c", _SCRIPT, "sh", str(config)]
            nursery.cancel_scope.cancel()
