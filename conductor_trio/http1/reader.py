"""Messages on a connection: bytes in; heads, payload and ends out, in the manner of `h11.Connection`.

One reader serves one direction of one connection: `RequestReader` a visitor's, for as many requests as come, and
`ResponseReader` one response (and the interim ones before it).

h11 reads the first request of every connection, from the bytes as they come, and every later one but those whose
block of fields it has read before, to the byte (`memory`). What the gateway knows of a request is what h11 says;
our own grammar (`request`) only refuses more. For a browser's head of twelve fields, in microseconds: h11 alone
takes 23, the first request of a connection 31, a later one 6 where its fields are remembered, and any whose fields
are not, 64.

Bodies (`body`) and responses (`response`) are read by our own readers, which tests hold to h11's reading, because
that pays: 92 instead of 269 µs for 64 KiB in 64 chunks, 10 instead of 28 for a response's head of seven fields,
and 2 where that is remembered. Measured with ``python -m scripts.bench.heads`` on two cores, CPython 3.11.

Responses are read leniently (`lenient`, `response`, `body`): `ResponseReader` finds a head's end and makes its
body's reader in its own way. No request is ever read so.
"""

from __future__ import annotations

import re

from conductor_trio.errors import RemoteProtocolError
from conductor_trio.http1.body import (
    EMPTY_BODY_READER,
    Body,
    BodyReader,
    EndOfMessage,
    Framing,
)
from conductor_trio.http1.fields import BARE_CR, BARE_LINE_END, NO_RULES
from conductor_trio.http1.lenient import find_section_end
from conductor_trio.http1.memory import HeadMemory, RouteMemory
from conductor_trio.http1.request import (
    RequestHead,
    make_request_head,
    match_request_line,
    read_request_head,
)
from conductor_trio.http1.request_fields import RequestFields
from conductor_trio.http1.request_parser import RequestParser
from conductor_trio.http1.response import ResponseHead, parse_response_head
from conductor_trio.limits.constants import MAX_METHOD_AND_VERSION, MAX_RESPONSE_FIELDS
from conductor_trio.limits.server import ServerLimits

_EMPTY_LINES = re.compile(rb"(?:\r\n)+")
_STATUS_LINE_START = b"HTTP/1."
_METHOD_STARTS = frozenset(b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")


class _MessageReader:
    """What both directions share: the bytes that came, a head at their begin, and the body after it."""

    def __init__(self, limits: ServerLimits) -> None:
        self._limits = limits
        self._data = b""
        self._searched = 0  # how much of it holds no end of a head
        self._body: BodyReader | None = None

    def receive_data(self, data: bytes) -> None:
        """Take in what the peer sent."""
        self._data = self._data + data if self._data else data

    def _find_head_end(self) -> int:
        """Return where the head's empty line ends, -1 while it has not come; refuse what cannot become a head."""
        raise NotImplementedError

    def _make_body_reader(self, body: Body) -> BodyReader:
        raise NotImplementedError

    def _take_head(self) -> bytes | None:
        """Return the head up to and with its empty line, or None while it is incomplete."""
        end = self._find_head_end()
        if (end if end >= 0 else len(self._data)) > self._limits.max_head:
            raise RemoteProtocolError("head too large", status=431)
        if end < 0:
            # Only what is new is searched: a head that comes byte by byte must not cost the square of its size.
            self._searched = max(0, len(self._data) - 3)
            return None
        head = self._data[:end]
        self._data = self._data[end:]
        self._searched = 0
        return head

    def _next_body_event(self, body: BodyReader) -> bytes | EndOfMessage | None:
        if self._data:
            payload, self._data = body.decode(self._data)
            if payload:
                return payload
        if body.end is not None:
            self._body = None
        return body.end

    def _begin_body(self, head: RequestHead | ResponseHead) -> None:
        if head.body.framing is Framing.NONE:
            self._body = EMPTY_BODY_READER
        else:
            self._body = self._make_body_reader(head.body)

    @property
    def trailing_data(self) -> bytes:
        """Bytes received and not yet taken as events."""
        return self._data

    @property
    def partial_size(self) -> int:
        """How many bytes are in memory here: of a head, or of what frames a body, whose end has not come."""
        return len(self._data) + (0 if self._body is None else self._body.partial_size)

    def take_trailing_data(self) -> bytes:
        """Return the same, and keep it no longer: what comes is not this reader's any more."""
        data, self._data = self._data, b""
        return data

    @property
    def raw_remaining(self) -> int | None:
        """How many bytes of bare payload come next from the connection; None where bytes must be looked at."""
        if self._body is None or self._data:
            return None
        return self._body.raw_remaining

    def skip(self, count: int) -> None:
        """Count payload that went past this reader, by `raw_remaining`."""
        assert self._body is not None
        self._body.skip(count)


class RequestReader(_MessageReader):
    """A visitor's requests: for each a `RequestHead`, payload as bytes, and an `EndOfMessage`.

    Without a `memory`, h11 reads each of them.
    """

    def __init__(self, limits: ServerLimits, memory: HeadMemory | None = None) -> None:
        super().__init__(limits)
        self._memory = memory
        self._rules = NO_RULES if memory is None else memory.rules
        self._is_first = True
        self._parser: RequestParser | None = None  # while a head comes in parts

    def next_event(self) -> RequestHead | bytes | EndOfMessage | None:
        """Return the next event, or None when more bytes are needed; raises `RemoteProtocolError`."""
        if self._body is not None:
            return self._next_body_event(self._body)
        if self._data.startswith(b"\r\n") and (empty := _EMPTY_LINES.match(self._data)):  # RFC 9112 section 2.2
            self._data = self._data[empty.end() :]
        if not self._data or self._data == b"\r":
            return None
        self._check_request_line()
        head = self._take_head()
        if head is None:
            self._parser = self._parser or RequestParser(self._limits.max_head)
            self._parser.receive_part(self._data)
            return None
        request = self._read_head(head)
        if len(request.target) > self._limits.max_target:
            raise RemoteProtocolError("request target too long", status=414)
        self._begin_body(request)
        return request

    def _read_head(self, head: bytes) -> RequestHead:
        line = match_request_line(head)
        block = head[line.end() :]
        memory = self._memory
        digest = None if memory is None else memory.digest(block)
        remembered = None if memory is None else memory.find_request(digest)
        parser, self._parser = self._parser, None
        if remembered is not None and parser is None and not self._is_first:
            fields = RequestFields(block=block, reading=remembered, is_remembered=True)
            return make_request_head(line[1], line[2], line[3], fields)
        self._is_first = False
        return read_request_head(
            head,
            block,
            parser or RequestParser(self._limits.max_head),
            max_fields=self._limits.max_fields,
            rules=self._rules,
            remembered=remembered,
            digest=digest,
        )

    def _check_request_line(self) -> None:
        if self._data[0] not in _METHOD_STARTS:
            raise RemoteProtocolError("this is not HTTP")
        limit = self._limits.max_target + MAX_METHOD_AND_VERSION
        if len(self._data) > limit and self._data.find(b"\r\n", 0, limit) < 0:
            raise RemoteProtocolError("request target too long", status=414)

    def _find_head_end(self) -> int:
        end = self._data.find(b"\r\n\r\n", self._searched)
        if end >= 0:
            return end + 4
        if len(self._data) <= self._limits.max_head and BARE_LINE_END.search(self._data, self._searched):
            raise RemoteProtocolError("bare CR or LF in a head")
        return -1

    def _make_body_reader(self, body: Body) -> BodyReader:
        return BodyReader(body, max_trailer=self._limits.max_head, max_fields=self._limits.max_fields)

    @property
    def has_read_any(self) -> bool:
        """Whether a request's head has come as a whole."""
        return not self._is_first

    @property
    def is_between_messages(self) -> bool:
        """Whether nothing of a request has come since the last one ended."""
        return self._body is None and not self._data


class ResponseReader(_MessageReader):
    """The response to one request: interim heads, a final head, payload as bytes, an `EndOfMessage`.

    After a head with status 101 nothing more is an event: the connection's bytes are the new protocol's, and
    those that came early are `trailing_data`.
    """

    def __init__(
        self, method: bytes, limits: ServerLimits, memory: RouteMemory | None = None, *, host: str = ""
    ) -> None:
        super().__init__(limits)
        self._method = method
        self._host = host
        self._memory = memory
        self.has_begun = False  #: whether a byte of a response has come
        self.is_complete = False

    def receive_data(self, data: bytes) -> None:
        """Take in what the application sent."""
        self.has_begun = True
        super().receive_data(data)

    def receive_eof(self) -> None:
        """Take note of the connection's end; raises `RemoteProtocolError` where that cuts the response short."""
        if self._body is None:
            raise RemoteProtocolError("the application closed the connection without a response")
        self._body.receive_eof()

    def next_event(self) -> ResponseHead | bytes | EndOfMessage | None:
        """Return the next event, or None when more bytes are needed; raises `RemoteProtocolError`."""
        if self.is_complete:
            return None
        if self._body is not None:
            event = self._next_body_event(self._body)
            self.is_complete = isinstance(event, EndOfMessage)
            return event
        head = self._take_head() if self._data else None
        if head is None:
            return None
        response = self._read_head(head)
        if response.status == 101:
            self.is_complete = True
        elif not response.is_interim:
            self._begin_body(response)
        return response

    def _find_head_end(self) -> int:
        if not self._data.startswith(_STATUS_LINE_START[: len(self._data)]):
            raise RemoteProtocolError("malformed status line")
        end = find_section_end(self._data, self._searched)[1]
        if end < 0 and len(self._data) <= self._limits.max_head and BARE_CR.search(self._data, self._searched):
            raise RemoteProtocolError("bare CR in a head")
        return end

    def _make_body_reader(self, body: Body) -> BodyReader:
        return BodyReader(body, max_trailer=self._limits.max_head, max_fields=MAX_RESPONSE_FIELDS, is_lenient=True)

    def _read_head(self, head: bytes) -> ResponseHead:
        if self._memory is not None and (remembered := self._memory.find_response(head, self._method)) is not None:
            return remembered
        rules = NO_RULES if self._memory is None else self._memory.rules
        response = parse_response_head(head, method=self._method, host=self._host, rules=rules)
        if self._memory is not None:
            self._memory.remember_response(head, self._method, response)
        return response
