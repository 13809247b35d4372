"""Readings of HTTP that share no code with the gateway's.

`take_response` is strict: what visitors get must be read by it (what applications get, by
`tests.support.engine.take_message`). `read_requests` and `read_response` are h11's lenient readings of what
the gateway itself was sent: whatever it takes, it must have understood like that.
"""

from __future__ import annotations

import re

import attrs
import h11

from tests.support.engine import (
    FIELD_LINE,
    Ambiguous,
    Incomplete,
    Response,
    take_chunks,
    take_lines,
)

_STATUS_LINE = re.compile(rb"HTTP/1\.1 ([1-9][0-9]{2}) ([\t -~\x80-\xff]*)")
_ONCE = (b"content-length", b"transfer-encoding", b"connection", b"upgrade", b"date")


def _take_head(data: bytes) -> tuple[Response, bytes]:
    (line, *lines), rest = take_lines(data)
    match = _STATUS_LINE.fullmatch(line)
    if match is None:
        raise Ambiguous(f"status line {line!r}")
    if wrong := [line for line in lines if not FIELD_LINE.fullmatch(line)]:
        raise Ambiguous(f"field lines {wrong!r}")
    fields = tuple((name, value) for name, _, value in (line.partition(b": ") for line in lines))
    response = Response(status=int(match[1]), reason=match[2], fields=fields)
    if several := [name for name in _ONCE if len(response.values(name)) > 1]:
        raise Ambiguous(f"several {several!r}")
    return response, rest


def take_response(data: bytes, method: bytes, *, is_http11: bool = True) -> tuple[Response, bytes]:
    """Return the one response at the beginning of `data` and what follows it.

    Raises `Ambiguous`, or `Incomplete` where more must come; a body that ends with the connection is all the rest.
    """
    interim: list[Response] = []
    response, rest = _take_head(data)
    while response.status in range(102, 200) or response.status == 100:
        if not is_http11 or response.framing != "none" or response.values(b"connection"):
            raise Ambiguous(f"interim response {response!r}")
        interim.append(response)
        response, rest = _take_head(rest)
    response = attrs.evolve(response, interim=tuple(interim))
    lengths, codings = response.values(b"content-length"), response.values(b"transfer-encoding")
    if lengths and (codings or not re.fullmatch(rb"[0-9]+", lengths[0])):
        raise Ambiguous(f"framing {response!r}")
    if response.status in (101, 204) and (lengths or codings):
        raise Ambiguous(f"a body with {response.status}")
    if method == b"HEAD" or response.status in (101, 204, 304):
        if codings:
            raise Ambiguous("a coding without a body")
        return response, rest
    if codings:
        if codings != [b"chunked"] or not is_http11:
            raise Ambiguous(f"coding {codings!r}")
        body, trailers, rest = take_chunks(rest)
        pairs = tuple((name, value) for name, _, value in (line.partition(b": ") for line in trailers))
        return attrs.evolve(response, body=body, trailers=pairs), rest
    if lengths:
        if len(rest) < int(lengths[0]):
            raise Incomplete
        return attrs.evolve(response, body=rest[: int(lengths[0])]), rest[int(lengths[0]) :]
    if response.values(b"connection") != [b"close"]:
        raise Ambiguous("no end")
    return attrs.evolve(response, body=rest), b""


@attrs.frozen(kw_only=True)
class Reading:
    """A message as h11 reads it: its start (method and target, or status), its body, and whether that ended.

    `is_sure` is false where h11 had to choose what to believe. `version` and `fields`, in their own spelling, are
    those of a request.
    """

    start: tuple[bytes, bytes] | int
    body: bytes
    is_complete: bool
    is_sure: bool = True
    version: bytes = b""
    fields: tuple[tuple[bytes, bytes], ...] = ()


def _parser(role: type[h11.SERVER] | type[h11.CLIENT]) -> h11.Connection:
    return h11.Connection(role, max_incomplete_event_size=1 << 20)


def _read_body(parser: h11.Connection) -> tuple[bytes, bool]:
    body = b""
    try:
        while isinstance(event := parser.next_event(), h11.Data):
            body += event.data
    except h11.RemoteProtocolError as error:
        # A trailer of that name says nothing of the framing, and is not passed on (RFC 9110 section 6.5.1).
        return body, any(name in str(error) for name in ("Content-Length", "Transfer-Encoding"))
    return body, isinstance(event, h11.EndOfMessage)


def read_requests(data: bytes) -> list[Reading]:
    """Return the requests in `data` up to the first that h11 refuses; a last one may be incomplete."""
    readings: list[Reading] = []
    while True:
        while data.startswith(b"\r\n"):  # RFC 9112 section 2.2
            data = data[2:]
        parser = _parser(h11.SERVER)
        parser.receive_data(data)
        try:
            event = parser.next_event()
        except h11.RemoteProtocolError:
            return readings
        if not isinstance(event, h11.Request):
            return readings
        body, is_complete = _read_body(parser)
        start = (bytes(event.method), bytes(event.target))
        names = [bytes(name) for name, _ in event.headers]
        is_sure = names.count(b"host") <= 1 and not {b"content-length", b"transfer-encoding"} <= set(names)
        readings.append(
            Reading(
                start=start,
                body=body,
                is_complete=is_complete,
                is_sure=is_sure,
                version=bytes(event.http_version),
                fields=tuple(event.headers.raw_items()),
            )
        )
        if not is_complete:
            return readings
        data = parser.trailing_data[0]


_SPACES = re.compile(rb"\A(HTTP/1\.[0-9]) +")
_IDENTITY_LINE = re.compile(rb"(?i)(?<=\n)transfer-encoding:[ \t]*identity(?:[ \t]*,[ \t]*identity)*[ \t]*\r\n")
_IDENTITY = re.compile(rb"(?i)(\ntransfer-encoding:)(?:[ \t]*identity[ \t]*,)+")
_CONTROL = re.compile(rb"[\x01-\x08\x0b\x0c\x0e-\x1f\x7f]")
_CHUNK_LINE = re.compile(rb"0*([0-9A-Fa-f]{1,16})[ \t]*(?:;[^\r\n]*)?\r?\n")
_TRAILER = re.compile(rb"\r?\n|.*?\n\r?\n", re.DOTALL)


def put_strictly(data: bytes) -> bytes:
    """Write an application's responses so that h11 reads what the gateway may, which reads them more leniently."""
    out = b""
    while end := re.search(rb"\n\r?\n", data):
        head, data = _SPACES.sub(rb"\1 ", data[: end.end()]), data[end.end() :]
        out += _IDENTITY.sub(rb"\1", _IDENTITY_LINE.sub(b"", _put_lines_strictly(head)))
        if not re.match(rb"HTTP/1\.. 1(?!01)", head):
            is_chunked = re.search(rb"(?i)\ntransfer-encoding:.*chunked", head)
            return out + (_put_chunks_strictly(data) if is_chunked else data)
    return out + data


def _put_lines_strictly(lines: bytes) -> bytes:
    return _CONTROL.sub(b" ", re.sub(rb"\r?\n", b"\r\n", lines))


def _put_chunks_strictly(data: bytes) -> bytes:
    out = b""
    while line := _CHUNK_LINE.match(data):
        size, data = int(line[1], 16), data[line.end() :]
        if size == 0:
            trailer = _TRAILER.match(data)
            end = trailer.end() if trailer else 0
            return out + b"0\r\n" + _put_lines_strictly(data[:end]) + data[end:]
        out += b"%x\r\n%b" % (size, data[:size])
        line_end = re.match(rb"\r?\n", data[size:])
        if line_end is None:
            return out + data[size:]
        out += b"\r\n"
        data = data[size + line_end.end() :]
    return out + data


def read_response(data: bytes, method: bytes) -> Reading | None:
    """Return the final response in `data`, after which the connection ended; None where h11 finds none."""
    parser = _parser(h11.CLIENT)
    upgrade = [("Connection", "upgrade"), ("Upgrade", "websocket")]
    parser.send(h11.Request(method=method, target="/", headers=[("Host", "x"), *upgrade]))
    parser.send(h11.EndOfMessage())
    parser.receive_data(put_strictly(data))
    parser.receive_data(b"")
    try:
        event = parser.next_event()
        while isinstance(event, h11.InformationalResponse) and event.status_code != 101:
            event = parser.next_event()
    except h11.RemoteProtocolError:
        return None
    if isinstance(event, h11.InformationalResponse):
        return Reading(start=101, body=b"", is_complete=True)
    if not isinstance(event, h11.Response):
        return None
    body, is_complete = _read_body(parser)
    return Reading(start=event.status_code, body=body, is_complete=is_complete)


def cut_by_scanning(value: bytes) -> tuple[bytes, list[bytes]]:
    """The same as `cut_cookie`, byte by byte: a pair is ours if its name is, and goes with one semicolon."""
    safe, tokens, kept = [], [], b""
    at, is_first = 0, True
    while at <= len(value):
        end = at
        while end < len(value) and value[end : end + 1] != b";":
            end += 1
        pair = value[at:end]
        middle = 0
        while middle < len(pair) and pair[middle : middle + 1] != b"=":
            middle += 1
        name = pair[:middle].strip(b" \t") if middle < len(pair) else b""
        if name == b"__Host-authorization":
            safe.append(pair[middle + 1 :].strip(b" \t"))
        elif name == b"authorization":
            tokens.append(pair[middle + 1 :].strip(b" \t"))
        else:
            kept += pair if is_first else b";" + pair
            is_first = False
        at = end + 1
    if not safe + tokens:
        return value, []
    while kept[:1] in (b" ", b"\t"):
        kept = kept[1:]
    return kept, safe + tokens
