"""Hypothesis strategies for field lines and requests, sound or spoiled, and what our readers say of them."""

from __future__ import annotations

from hypothesis import strategies as st

from conductor_trio.errors import RemoteProtocolError
from conductor_trio.http1.body import EndOfMessage
from conductor_trio.http1.reader import RequestReader, ResponseReader
from conductor_trio.http1.request import RequestHead
from conductor_trio.http1.response import ResponseHead

TCHAR = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
names = st.text(TCHAR, min_size=1, max_size=20).map(str.encode)
value_bytes = st.sampled_from([*range(0x20, 0x7F), *range(0x80, 0x100), 0x09])
values = st.lists(value_bytes, max_size=30).map(bytes).map(lambda value: value.strip(b" \t"))
pairs = st.lists(st.tuples(names, values), max_size=10)
methods = st.sampled_from([b"GET", b"POST", b"HEAD", b"OPTIONS", b"PROPFIND", b"x"])
targets = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), max_size=20).map(
    lambda text: b"/" + text.replace("#", "").encode()
)
bodies = st.sampled_from(
    [
        (b"", b""),
        (b"Content-Length: 0\r\n", b""),
        (b"Content-Length: 5\r\n", b"hello"),
        (b"Transfer-Encoding: chunked\r\n", b"0\r\n\r\n"),
        (b"Transfer-Encoding: chunked\r\n", b"5\r\nhello\r\n0\r\n\r\n"),
        (b"transfer-encoding:Chunked\r\n", b"5;a=b\r\nhello\r\n2\r\n\r\n\r\n0\r\nA: b\r\n\r\n"),
    ]
)
special_fields = st.sampled_from(
    [
        b"Connection: close\r\n",
        b"Connection: upgrade\r\nUpgrade: websocket\r\n",
        b"Connection: keep-alive, X\r\n",
        b"Expect: 100-continue\r\n",
        b"Cookie: a=b; c=d\r\n",
        b"Cookie: authorization=x\r\n",
        b"TE: trailers\r\n",
        b"Accept: text/html\r\n",
        b"Origin: http://x.test\r\n",
        b"Authorization: Bearer abc\r\n",
        b"X-Forwarded-For: 1.2.3.4\r\n",
        b"Content_Length: 5\r\n",
    ]
)
HANDLED = {b"host", b"content-length", b"transfer-encoding", b"cookie", b"expect", b"connection", b"upgrade"}


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """A request that is beyond doubt."""
    fields, body = draw(bodies)
    others = b"".join(b"%b: %b\r\n" % pair for pair in draw(pairs)[:4] if pair[0].lower() not in HANDLED)
    special = b"".join(draw(st.lists(special_fields, max_size=3, unique=True)))
    line = draw(methods) + b" " + draw(targets) + b" HTTP/1.1\r\n"
    return line + b"Host: x.test\r\n" + others + special + fields + b"\r\n" + body


SPOILS = [
    b"",
    b"\r",
    b"\n",
    b"\r\n",
    b" ",
    b"\t",
    b"\x00",
    b"\x0b",
    b"\x7f",
    b"\xe9",
    b":",
    b",",
    b";",
    b"#",
    b"0",
    b"\r\n ",
    b"\r\n\r\n",
    b"Content-Length: 1\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Host: y\r\n",
]


def spoil(data: bytes, places: list[tuple[int, int, bytes]]) -> bytes:
    """Replace up to two bytes in each place."""
    for place, count, piece in places:
        place %= len(data) + 1
        data = data[:place] + piece + data[place + count :]
    return data


spoilings = st.lists(
    st.tuples(st.integers(0, 500), st.integers(0, 2), st.sampled_from(SPOILS)), min_size=1, max_size=3
)


Event = RequestHead | ResponseHead | bytes | EndOfMessage


def read(reader: RequestReader | ResponseReader, pieces: list[bytes]) -> tuple[list[Event], int | None]:
    """Return the events, payload in one, and the status of the error at which reading stopped."""
    events: list[Event] = []
    try:
        for piece in pieces:
            if not piece:
                continue
            reader.receive_data(piece)
            while (event := reader.next_event()) is not None:
                if isinstance(event, bytes) and events and isinstance(last := events[-1], bytes):
                    events[-1] = last + event
                else:
                    events.append(event)
    except RemoteProtocolError as error:
        return events, error.status
    return events, None
