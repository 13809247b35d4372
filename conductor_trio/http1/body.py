"""How a message's body ends, its bytes taken out of that framing, and framed anew.

The decoder of the chunked coding is our own and stricter than h11's, which takes a bare LF for a line end in
trailers and does not let its caller see it (RFC 9112 section 2.2 leaves that to the recipient; here it is 400).
A property test holds it to h11's reading of everything that it accepts.

A response's body is read leniently, as nginx and HAProxy both read it: its application is the route's own, and
what goes on is framed anew. There a line may end with a bare LF, also the one after a chunk's data; white space
may follow the size; zeros may precede it, as many as fit the line. All else is as strict as in a request.
"""

from __future__ import annotations

import enum
import re

import attrs

from conductor_trio.errors import RemoteProtocolError
from conductor_trio.http1.fields import (
    BARE_CR,
    BARE_LINE_END,
    Fields,
    format_fields,
    parse_field_block,
)
from conductor_trio.http1.lenient import find_section_end, repair_field_block
from conductor_trio.limits.constants import MAX_CHUNK_LINE, MAX_CHUNKS_AT_ONCE, MAX_CONTENT_LENGTH_DIGITS

LAST_CHUNK = b"0\r\n\r\n"

# chunk-size, and extensions, which end here (RFC 9112 section 7.1.1), without the "bad" white space before them,
# which h11 does not read either. 16 digits are 64 bits.
_EXTENSIONS = rb"(?:;[\t\x20-\x7e\x80-\xff]*)?"
_CHUNK_LINE = re.compile(rb"([0-9A-Fa-f]{1,16})" + _EXTENSIONS + rb"\r\n")
_LENIENT_CHUNK_LINE = re.compile(rb"0*([0-9A-Fa-f]{1,16})[\t ]*" + _EXTENSIONS + rb"\r?\n")


class Framing(enum.Enum):
    """The ways in which a body can end (RFC 9112 section 6.3)."""

    NONE = enum.auto()  #: there is none
    LENGTH = enum.auto()  #: after a known number of bytes
    CHUNKED = enum.auto()  #: with a last chunk
    CLOSE = enum.auto()  #: with the connection; responses only


@attrs.frozen
class Body:
    """A body's framing, and for `Framing.LENGTH` its size in bytes."""

    framing: Framing
    length: int = 0
    is_empty: bool = attrs.field(init=False, eq=False, repr=False)  #: whether it is known that nothing comes

    @is_empty.default
    def _is_empty(self) -> bool:
        return self.framing is Framing.NONE or (self.framing is Framing.LENGTH and self.length == 0)


NO_BODY = Body(Framing.NONE)
CHUNKED_BODY = Body(Framing.CHUNKED)
CLOSE_BODY = Body(Framing.CLOSE)


@attrs.frozen(kw_only=True)
class EndOfMessage:
    """The message is complete."""

    trailers: Fields = ()


END = EndOfMessage()


def parse_content_length(values: list[bytes]) -> int | None:
    """Return the one Content-Length, None where there is none; raises for several or a malformed one."""
    if not values:
        return None
    if len(values) > 1 or not values[0].isdigit() or len(values[0]) > MAX_CONTENT_LENGTH_DIGITS:
        raise RemoteProtocolError("malformed or repeated Content-Length")
    return int(values[0])


def format_chunk(data: bytes) -> bytes:
    """Write one chunk; `data` is not empty, since an empty chunk would be the last."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def format_last_chunk(trailers: Fields) -> bytes:
    """Write the last chunk and the trailer section."""
    return b"0\r\n" + format_fields(trailers) + b"\r\n" if trailers else LAST_CHUNK


class BodyReader:
    """Takes one body out of its framing: feed bytes, get payload, and at its end what followed it.

    `is_lenient` is for responses only.
    """

    def __init__(self, body: Body, *, max_trailer: int, max_fields: int | None, is_lenient: bool = False) -> None:
        self._framing = body.framing
        self._left = body.length
        self._chunked: ChunkedDecoder | None = None
        if body.framing is Framing.CHUNKED:
            self._chunked = ChunkedDecoder(max_trailer, max_fields, is_lenient=is_lenient)
        self.end: EndOfMessage | None = END if body.is_empty else None

    def decode(self, data: bytes) -> tuple[bytes, bytes]:
        """Return the payload in `data`, and the bytes after the body's end, where `end` is set by then.

        Raises `RemoteProtocolError`. After `MAX_CHUNKS_AT_ONCE` chunks the rest is returned to be fed again, once
        others have had their turn. With `is_lenient`, payload before a fault comes first, with the faulty rest,
        which is to be fed again, too.
        """
        if self.end is not None:
            return b"", data
        if self._chunked is not None:
            payload, rest = self._chunked.decode(data)
            self.end = self._chunked.end
            return payload, rest
        if self._framing is Framing.CLOSE:
            return data, b""
        payload, rest = (data, b"") if len(data) <= self._left else (data[: self._left], data[self._left :])
        self.skip(len(payload))
        return payload, rest

    def skip(self, count: int) -> None:
        """Count bytes of the body that went past this reader."""
        if self._framing is Framing.LENGTH:
            self._left -= count
            if self._left == 0:
                self.end = END

    @property
    def raw_remaining(self) -> int | None:
        """How many bytes of bare payload come next, for a splice; None where bytes must be looked at.

        A body that ends with the connection counts as without end.
        """
        if self.end is not None or self._chunked is not None:
            return None
        return self._left if self._framing is Framing.LENGTH else 1 << 62

    @property
    def partial_size(self) -> int:
        """How many bytes are kept here of a line, or of a trailer section, whose end has not come."""
        return 0 if self._chunked is None else self._chunked.partial_size

    def receive_eof(self) -> None:
        """Take note that the peer ended the connection; raises where that cuts the body short."""
        if self._framing is Framing.CLOSE:
            self.end = END
        elif self.end is None:
            raise RemoteProtocolError("the connection ended inside a body")


#: For any message without a body: such a reader has ended before it begins, and never changes.
EMPTY_BODY_READER = BodyReader(NO_BODY, max_trailer=0, max_fields=0)


class ChunkedDecoder:
    """The chunked transfer coding (RFC 9112 section 7.1), strictly, or for a response leniently."""

    def __init__(self, max_trailer: int, max_fields: int | None, *, is_lenient: bool) -> None:
        self._max_trailer = max_trailer
        self._max_fields = max_fields
        self._is_lenient = is_lenient
        self._line = _LENIENT_CHUNK_LINE if is_lenient else _CHUNK_LINE
        self._fault: RemoteProtocolError | None = None  # raised once the payload before it is taken
        self._pending = b""  # an incomplete line, or the trailer section so far
        self._left = 0  # of the current chunk's data and the CRLF after it
        self._in_trailer = False
        self._searched = 0  # of the trailer section
        self.end: EndOfMessage | None = None

    @property
    def partial_size(self) -> int:
        """How many bytes are kept here for the next ones."""
        return len(self._pending)

    def decode(self, data: bytes) -> tuple[bytes, bytes]:
        """Return the payload in `data`, and what is to be fed again: see `BodyReader`."""
        if self._fault is not None:
            raise self._fault
        if self._pending:
            data = self._pending + data
            self._pending = b""
        parts: list[bytes] = []
        try:
            rest = self._take_chunks(data, parts)
        except RemoteProtocolError as error:
            if not parts or not self._is_lenient:
                raise
            self._fault = error
            rest = data[-1:]
        return b"".join(parts), rest

    def _take_chunks(self, data: bytes, parts: list[bytes]) -> bytes:
        """Move payload to `parts`, and return what follows the coding's end, or has not been looked at yet."""
        position = 0
        while not self._in_trailer:
            if self._left:
                position = self._take_data(data, position, parts)
                if self._left:
                    return b""
                if len(parts) >= MAX_CHUNKS_AT_ONCE:
                    return data[position:]
            line_end = data.find(b"\n", position, position + MAX_CHUNK_LINE)
            if line_end < 0:
                self._check_partial_line(data[position:])
                self._pending = data[position:]
                return b""
            match = self._line.fullmatch(data, position, line_end + 1)
            if match is None:
                raise RemoteProtocolError("malformed chunk size")
            size = int(match[1], 16)
            position = line_end + 1
            if size:
                self._left = size + 2
            else:
                self._in_trailer = True
        return self._take_trailer(data[position:])

    def _take_data(self, data: bytes, position: int, parts: list[bytes]) -> int:
        """Move data of the current chunk to `parts`, check its line end, and return where that ended."""
        if self._left > 2:
            piece = data[position : position + self._left - 2]
            parts.append(piece)
            self._left -= len(piece)
            position += len(piece)
        while self._left <= 2 and self._left and position < len(data):
            if data[position] != b"\r\n"[2 - self._left]:
                if not self._is_lenient or data[position] != b"\n"[0]:
                    raise RemoteProtocolError("malformed end of a chunk")
                self._left = 1
            self._left -= 1
            position += 1
        return position

    @staticmethod
    def _check_partial_line(line: bytes) -> None:
        if len(line) >= MAX_CHUNK_LINE or b"\r" in line[:-1]:
            raise RemoteProtocolError("malformed chunk size")

    def _take_trailer(self, data: bytes) -> bytes:
        if data.startswith(b"\r\n"):
            self.end = END
            return data[2:]
        if self._is_lenient and data.startswith(b"\n"):
            self.end = END
            return data[1:]
        end, rest = self._find_trailer_end(data)
        if (end if end >= 0 else len(data)) > self._max_trailer:
            raise RemoteProtocolError("trailer section too large", status=431)
        if end < 0:
            if (BARE_CR if self._is_lenient else BARE_LINE_END).search(data, self._searched):
                raise RemoteProtocolError("malformed line end in a trailer section")
            self._searched = max(0, len(data) - 3)
            self._pending = data
            return b""
        if self._max_fields is not None and data.count(b"\n", 0, end) > self._max_fields:
            raise RemoteProtocolError(f"more than {self._max_fields} trailer fields", status=431)
        block = repair_field_block(data[:end]) if self._is_lenient else data[:end]
        self.end = EndOfMessage(trailers=parse_field_block(block, max_fields=self._max_fields))
        return data[rest:]

    def _find_trailer_end(self, data: bytes) -> tuple[int, int]:
        """Return where the trailer's lines end and where their empty line ends, -1 where that has not come."""
        if self._is_lenient:
            return find_section_end(data, self._searched)
        end = data.find(b"\r\n\r\n", self._searched)
        return (end + 2, end + 4) if end >= 0 else (-1, -1)
