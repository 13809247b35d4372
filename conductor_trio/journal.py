"""The journal of systemd, by its native protocol: a datagram for each entry, with a priority and fields.

Values go as they are, whatever is in them; a name of ours begins with `CONDUCTOR_`. What cannot be sent is lost,
counted and told, as with lines (`line_writer`).
"""

from __future__ import annotations

import os
import re
import socket
import struct
from collections.abc import Callable, Mapping

from conductor_trio.limits.constants import MAX_JOURNAL_NAME, MAX_JOURNAL_VALUE, MAX_QUEUED_LINES
from conductor_trio.line_writer import LineWriter

JOURNAL_SOCKET = "/run/systemd/journal/socket"
IDENTIFIER = "conductor-trio-server"
_PREFIX = "CONDUCTOR_"


def is_journal(descriptor: int, stream: str | None) -> bool:
    """Whether a descriptor is the journal's, as `stream`, `$JOURNAL_STREAM`, tells (systemd.exec(5))."""
    try:
        found = os.fstat(descriptor)
    except OSError:
        return False
    return stream == f"{found.st_dev}:{found.st_ino}"


def format_entry(message: str, priority: int, fields: Mapping[str, object]) -> bytes:
    """Write an entry; fields without a value are left out (systemd's "Native Journal Protocol")."""
    parts = [
        _format_field("MESSAGE", message),
        _format_field("PRIORITY", priority),
        _format_field("SYSLOG_IDENTIFIER", IDENTIFIER),
    ]
    parts += [_format_field(_name(name), value) for name, value in fields.items() if value is not None]
    return b"".join(parts)


def _name(name: str) -> str:
    return (_PREFIX + re.sub("[^A-Z0-9_]", "_", name.upper()))[:MAX_JOURNAL_NAME]


def _format_field(name: str, value: object) -> bytes:
    data = str(value).encode("utf-8", "backslashreplace")[:MAX_JOURNAL_VALUE]
    if b"\n" in data:
        return b"%s\n%s%s\n" % (name.encode(), struct.pack("<Q", len(data)), data)
    return b"%s=%s\n" % (name.encode(), data)


class JournalWriter(LineWriter):
    """Sends entries to the journal; any thread may, and never waits.

    `format_loss` gives the message that tells how many were lost, nothing for none.
    """

    def __init__(
        self,
        format_loss: Callable[[int], str],
        *,
        path: str = JOURNAL_SOCKET,
        max_queued: int = MAX_QUEUED_LINES,
        gather_time: float = 0.0,
    ) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        super().__init__(
            self._socket.fileno(), format_loss, max_queued=max_queued, most_at_once=0, gather_time=gather_time
        )
        self._path = path

    def send(self, message: str, priority: int, fields: Mapping[str, object]) -> None:
        """Queue an entry."""
        self.queue(format_entry(message, priority, fields))

    def count(self, entry: bytes) -> int:
        """Return how many entries those bytes are."""
        return 1

    def write_out(self, data: bytes) -> bool:
        """Send one entry, however long the journal takes; False where there is none."""
        try:
            self._socket.sendto(data, self._path)
        except OSError:
            return False
        return True

    def close_target(self) -> None:
        """Close the socket."""
        self._socket.close()

    def encode_loss(self, text: str) -> bytes:
        """Return the entry that tells how many were lost."""
        return format_entry(text.rstrip("\n"), 4, {})
