"""Hypothesis strategies for field lines and for requests that are beyond doubt."""

from __future__ import annotations

from hypothesis import strategies as st

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
