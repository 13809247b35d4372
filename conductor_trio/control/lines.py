"""Bounded newline framing: feed bytes, get lines."""

from __future__ import annotations

from conductor_trio.errors import RemoteProtocolError


class LineReader:
    """Cuts a byte stream into lines of at most `max_line` bytes, newline included."""

    def __init__(self, max_line: int) -> None:
        self._max_line = max_line
        self._buffer = bytearray()
        self._searched = 0

    def receive_data(self, data: bytes) -> None:
        """Take in what the peer sent."""
        self._buffer += data

    def next_event(self) -> bytes | None:
        """Return the next line without its newline, or None when more bytes are needed.

        Raises `RemoteProtocolError` as soon as a line cannot fit, whether or not its newline is there.
        """
        end = self._buffer.find(b"\n", self._searched, self._max_line)
        if end < 0:
            if len(self._buffer) >= self._max_line:
                raise RemoteProtocolError(f"a line is longer than {self._max_line} bytes")
            self._searched = len(self._buffer)
            return None
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        self._searched = 0
        return line

    @property
    def partial_size(self) -> int:
        """How many bytes are here of a line whose newline has not come, once there is no other event."""
        return len(self._buffer)

    @property
    def has_partial_line(self) -> bool:
        """Whether a line has begun and its newline has not come."""
        return bool(self._buffer)
