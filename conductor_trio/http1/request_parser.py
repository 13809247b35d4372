"""h11 reads a request head: the parser of one head, from bytes as they come, and what its refusals mean here."""

from __future__ import annotations

import re

import h11

from conductor_trio.errors import RemoteProtocolError
from conductor_trio.http1.fields import is_token, list_elements

_TRANSFER_CODING_LINES = re.compile(rb"\n(?i:transfer-encoding):([^\r\n]*)")


class RequestParser:
    """One request head on its way through h11.

    What h11 would let pass has been refused before by our own grammar: a head that ends otherwise than by CRLF
    CRLF, folded lines, control characters. So h11 finds the same end, or an error.
    """

    def __init__(self, max_head: int) -> None:
        self._connection = h11.Connection(h11.SERVER, max_incomplete_event_size=max_head)
        self._received = 0

    def receive_part(self, part: bytes) -> None:
        """Take in a head as far as it has come, without its end; raises `RemoteProtocolError`."""
        if self._next_event(part) is not h11.NEED_DATA:
            raise RemoteProtocolError("malformed request head")

    def receive_whole(self, head: bytes) -> h11.Request:
        """Take in the whole head and return what h11 reads; raises `RemoteProtocolError`."""
        event = self._next_event(head)
        if not isinstance(event, h11.Request):
            raise RemoteProtocolError("malformed request head")
        return event

    def _next_event(self, head: bytes) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
        if new := head[self._received :]:  # nothing would tell h11 of the connection's end
            self._connection.receive_data(new)
            self._received = len(head)
        try:
            return self._connection.next_event()
        except h11.RemoteProtocolError as error:
            if error.error_status_hint == 501:
                raise _transfer_coding_error(head) from error
            raise RemoteProtocolError("malformed request head", status=error.error_status_hint) from error


def _transfer_coding_error(head: bytes) -> RemoteProtocolError:
    """Return 501 for codings that we do not know, 400 for a misuse of chunked (RFC 9112 section 6.1)."""
    codings = list_elements(_TRANSFER_CODING_LINES.findall(head))
    if codings and all(is_token(coding) for coding in codings) and codings.count(b"chunked") <= 1:
        *others, last = codings
        if last == b"chunked" or b"chunked" not in others:
            return RemoteProtocolError("unknown transfer coding", status=501)
    return RemoteProtocolError("malformed Transfer-Encoding")
