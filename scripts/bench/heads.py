"""Reading HTTP, in microseconds of the processor: by h11 alone, by the gateway's readers, and from memory.

``python -m scripts.bench.heads``; nothing else should run meanwhile. No part of ``make bench``, whose figures are
those of whole requests.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable

import h11

from conductor_trio.http1.body import EndOfMessage
from conductor_trio.http1.memory import HeadMemory
from conductor_trio.http1.reader import RequestReader, ResponseReader
from conductor_trio.http1.request import RequestHead
from conductor_trio.http1.response import ResponseHead
from conductor_trio.limits.server import ServerLimits

LIMITS = ServerLimits()

#: What a browser asks for a part of a page with, in twelve fields.
REQUEST = b"""\
GET /static/app.js?v=3 HTTP/1.1\r
Host: app-alice.example.org\r
User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r
Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8\r
Accept-Language: en-US,en;q=0.5\r
Accept-Encoding: gzip, deflate, br, zstd\r
Referer: https://app-alice.example.org/\r
Connection: keep-alive\r
Cookie: theme=dark; authorization=correct-horse-battery-staple-0123456789; _xsrf=2|abc|def|1700000000\r
Sec-Fetch-Dest: script\r
Sec-Fetch-Mode: no-cors\r
Sec-Fetch-Site: same-origin\r
Cache-Control: no-cache\r
\r
"""

#: What an application answers, in seven fields.
RESPONSE = b"""\
HTTP/1.1 200 OK\r
Server: nginx\r
Date: Fri, 28 Nov 2026 04:00:00 GMT\r
Content-Type: text/html; charset=utf-8\r
Content-Length: 1234\r
Last-Modified: Fri, 28 Nov 2026 03:00:00 GMT\r
ETag: "abc"\r
Accept-Ranges: bytes\r
\r
"""

#: 64 KiB in chunks of 1 KiB, as an application writes a page that it makes meanwhile.
CHUNKS = (b"400\r\n" + b"x" * 1024 + b"\r\n") * 64 + b"0\r\n\r\n"
CHUNKED_REQUEST = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"

_ROUNDS = 15
_READS = 1000  # in a round


def read_with_h11() -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
    """Read the request with h11 alone."""
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=LIMITS.max_head)
    connection.receive_data(REQUEST)
    return connection.next_event()


def read_request(reader: RequestReader) -> RequestHead:
    """Read one more request, so that another can follow."""
    reader.receive_data(REQUEST)
    head = reader.next_event()
    assert isinstance(head, RequestHead)
    assert isinstance(reader.next_event(), EndOfMessage)
    return head


def forward_known(reader: RequestReader) -> bytes:
    """Read a request whose fields are remembered, and cut from it what authorising and forwarding it takes."""
    fields = read_request(reader).parsed
    assert fields.tokens
    return fields.forward_block


def read_response_with_h11() -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
    """Read the response with h11 alone, which has to know the request."""
    connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=LIMITS.max_head)
    connection.send(h11.Request(method="GET", target="/", headers=[("Host", "x")]))
    connection.send(h11.EndOfMessage())
    connection.receive_data(RESPONSE)
    return connection.next_event()


def read_response(reader: ResponseReader) -> ResponseHead:
    """Read the response."""
    reader.receive_data(RESPONSE)
    head = reader.next_event()
    assert isinstance(head, ResponseHead)
    return head


def read_chunks_with_h11() -> None:
    """Read a chunked body with h11 alone."""
    connection = h11.Connection(h11.SERVER)
    connection.receive_data(CHUNKED_REQUEST)
    connection.next_event()
    connection.receive_data(CHUNKS)
    while not isinstance(connection.next_event(), h11.EndOfMessage):
        pass


def read_chunks() -> None:
    """Read a chunked body."""
    reader = RequestReader(LIMITS)
    reader.receive_data(CHUNKED_REQUEST)
    reader.next_event()
    reader.receive_data(CHUNKS)
    while not isinstance(reader.next_event(), EndOfMessage):
        pass


def measure(call: Callable[[], object]) -> float:
    """Return the median of several rounds, in microseconds a call."""
    rounds = []
    for _ in range(_ROUNDS):
        begun = time.process_time()
        for _ in range(_READS):
            call()
        rounds.append((time.process_time() - begun) / _READS * 1e6)
    return statistics.median(rounds)


def main() -> None:
    """Print a line for each way of reading."""
    memory = HeadMemory(b"0123456789abcdef", LIMITS)
    route = memory.open_route()
    unknown = HeadMemory(b"0123456789abcdef", LIMITS)
    kept = RequestReader(LIMITS, memory)
    route.remember_request(read_request(kept))
    ways: dict[str, Callable[[], object]] = {
        "request, h11 alone": read_with_h11,
        "request, fields not read before": lambda: read_request(RequestReader(LIMITS, unknown)),
        "request, the first of its connection, fields read before": lambda: read_request(
            RequestReader(LIMITS, memory)
        ),
        "request, a later one, fields read before": lambda: forward_known(kept),
        "response, h11 alone": read_response_with_h11,
        "response, not read before": lambda: read_response(ResponseReader(b"GET", LIMITS)),
        "response, read before": lambda: read_response(ResponseReader(b"GET", LIMITS, route)),
        "request of 64 KiB in 64 chunks, h11 alone": read_chunks_with_h11,
        "request of 64 KiB in 64 chunks": read_chunks,
    }
    for name, call in ways.items():
        sys.stdout.write(f"{measure(call):6.1f} µs  {name}\n")


if __name__ == "__main__":
    main()
