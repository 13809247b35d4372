"""Responses' heads and trailers that are not in the strict grammar, put into it where the meaning is not in doubt.

A response comes from the route's own application and is written anew, so that it can mislead nobody in a way in
which a strict one could not, and to refuse it costs a user the application. Requests are never read so.

- A line may end with a bare LF, also where others end with CRLF (RFC 9112 section 2.2).
- Several spaces may stand between version and status.
- A folded line is unfolded to one space (RFC 9112 section 5.2).
- A control character in a value or a reason becomes a space, as RFC 9110 section 5.5 has it for worse ones: what
  stood apart stays apart. NUL and a bare CR are refused, and so is any in a field that frames the message.
"""

from __future__ import annotations

import re

from conductor_trio.errors import RemoteProtocolError
from conductor_trio.http1.fields import is_token

_FOLD = re.compile(rb"\r?\n[\t ]+")
_KEPT_CONTROLS = b"\x00\t\n\r"
_WITHOUT_CONTROLS = bytes(
    0x20 if (code < 0x20 or code == 0x7F) and code not in _KEPT_CONTROLS else code for code in range(256)
)
_FRAMING = frozenset([b"connection", b"content-length", b"transfer-encoding", b"upgrade"])
_STATUS_PART = len(b"HTTP/1.1 200")


def find_section_end(data: bytes, start: int) -> tuple[int, int]:
    """Return where the lines before the first empty one end, and where that one ends; -1 where none has come.

    Lines end with LF or CRLF, and at least one precedes the empty one.
    """
    crlf = data.find(b"\n\r\n", start)
    bare = data.find(b"\n\n", start, crlf + 1 if crlf >= 0 else len(data))
    if bare >= 0:
        return bare + 1, bare + 2
    return (crlf + 1, crlf + 3) if crlf >= 0 else (-1, -1)


def repair_head(head: bytes) -> bytes:
    """Return a response's head, its empty line included, in the strict grammar; raises `RemoteProtocolError`."""
    status_line, _, rest = head.partition(b"\n")
    version, _, status = status_line.removesuffix(b"\r").partition(b" ")
    status_line = version + b" " + status.lstrip(b" ")
    reason = status_line[_STATUS_PART:].translate(_WITHOUT_CONTROLS)
    block = rest[:-2] if rest.endswith(b"\r\n") else rest[:-1]
    return status_line[:_STATUS_PART] + reason + b"\r\n" + repair_field_block(block) + b"\r\n"


def repair_field_block(block: bytes) -> bytes:
    """Return field lines, each ended by LF or CRLF, in the strict grammar; raises `RemoteProtocolError`."""
    if block.startswith((b" ", b"\t")):
        raise RemoteProtocolError("white space before the first field")
    lines = _FOLD.sub(b" ", block).split(b"\n")[:-1]
    return b"".join([_repair_line(line.removesuffix(b"\r")) for line in lines])


def _repair_line(line: bytes) -> bytes:
    name, colon, value = line.partition(b":")
    if not colon or not is_token(name):
        raise RemoteProtocolError("malformed name of a header field")
    cleaned = value.translate(_WITHOUT_CONTROLS)
    if b"\x00" in value or b"\r" in value or (cleaned != value and name.lower() in _FRAMING):
        raise RemoteProtocolError(f"forbidden character in the header field {name.decode()}")
    return b"%b:%b\r\n" % (name, cleaned)
