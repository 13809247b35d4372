"""The server's own answers: all reasons that there are, and h11's reading of what was written."""

from __future__ import annotations

import h11

from conductor_trio.access.reasons import (
    ApplicationStarting,
    BadRequest,
    CookiesTooLarge,
    LinkForOneBrowser,
    LinkLost,
    PlantedCookies,
    Reason,
    Redirect,
    Refusal,
    SessionEnded,
    UpstreamFailed,
)
from conductor_trio.errors import UpstreamFault

REASONS: list[Reason] = [
    *Refusal,
    Redirect(where="/", set_cookies=(b"authorization=x",)),
    LinkForOneBrowser(),
    ApplicationStarting(since=0.0),
    LinkLost(since=0.0),
    SessionEnded(since=0.0),
    PlantedCookies(),
    CookiesTooLarge(set_cookies=(b"planted=; Max-Age=0; Path=/",)),
    *(BadRequest(status=status) for status in (400, 405, 408, 413, 414, 417, 431, 501, 505)),
    *(
        UpstreamFailed(status=status, fault=fault, what="it was seen", since=0.0)
        for status in (502, 503, 504)
        for fault in UpstreamFault
    ),
]


def read_answer(data: bytes, *, method: bytes) -> tuple[h11.Response, bytes]:
    """Return the response that is all of these bytes, and its body."""
    connection = h11.Connection(h11.CLIENT)
    connection.send(h11.Request(method=method, target="/", headers=[("Host", "x")]))
    connection.send(h11.EndOfMessage())
    connection.receive_data(data)
    response = connection.next_event()
    assert isinstance(response, h11.Response)
    body = b""
    while isinstance(event := connection.next_event(), h11.Data):
        body += event.data
    assert isinstance(event, h11.EndOfMessage)
    assert connection.trailing_data == (b"", False)
    return response, body
