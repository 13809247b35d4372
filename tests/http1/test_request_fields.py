"""What h11 has read is found again in the bytes that came, or refused where it is not what came."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conductor_trio.errors import RemoteProtocolError
from conductor_trio.http1.fields import NO_RULES, format_fields
from conductor_trio.http1.request_fields import RequestFields, read_request_fields
from tests.support.messages import names, values

Pair = tuple[bytes, bytes]


def read(block: bytes, items: list[Pair]) -> RequestFields:
    return RequestFields(block=block, reading=read_request_fields(block, items, NO_RULES))


_NOT_PLAIN = {b"authorization", b"connection", b"content-length", b"cookie", b"host", b"transfer-encoding"}
white_space = st.sampled_from([b"", b" ", b"\t", b"  "])
lines = st.lists(
    st.tuples(names.filter(lambda name: name.lower() not in _NOT_PLAIN), values, white_space, white_space),
    max_size=8,
)


@given(lines)
def test_values_are_cut_from_the_block(written: list[tuple[bytes, bytes, bytes, bytes]]) -> None:
    block = b"".join(name + b":" + before + value + after + b"\r\n" for name, value, before, after in written)
    items = [(name, value) for name, value, *_ in written]
    parsed = read(block + b"\r\n", items)
    assert [(field.name, field.value) for field in parsed.fields] == items
    assert [field.lower for field in parsed.fields] == [name.lower() for name, _ in items]
    assert parsed.forward_block == format_fields(parsed.end_to_end)


@pytest.mark.parametrize(
    ("block", "items"),
    [
        (b"Content-Length: 5\r\ncontent-length: 5\r\n", [(b"Content-Length", b"5")]),
        (b"Content-Length: 5, 5\r\n", [(b"Content-Length", b"5")]),
        (b"A: b\r\n", []),
        (b"A: b\r\n", [(b"B", b"b")]),
        (b"A: b\r\n", [(b"A", b"c")]),
        (b"A: B\r\n", [(b"A", b"b")]),
        (b"AA: b\r\n", [(b"A", b": b")]),
    ],
)
def test_what_h11_has_read_otherwise_than_it_came_is_refused(block: bytes, items: list[Pair]) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        read(block + b"\r\n", items)
    assert caught.value.status == 400


def test_a_transfer_coding_is_the_same_in_any_case() -> None:
    parsed = read(b"Transfer-Encoding:CHUNKED\r\n\r\n", [(b"Transfer-Encoding", b"chunked")])
    assert parsed.values(b"transfer-encoding") == [b"CHUNKED"]


@pytest.mark.parametrize(
    ("block", "forwarded"),
    [
        (b"A: b\r\nC: d\r\n", b"A: b\r\nC: d\r\n"),
        (b"A:b\r\nC:  d \r\nE:\r\nF: \r\n", b"A: b\r\nC: d\r\nE: \r\nF: \r\n"),
        (b"A: b\r\nHost: x\r\nTE: trailers\r\nC: d\r\n", b"A: b\r\nC: d\r\n"),
        (b"Connection: close, a\r\nA: b\r\nC: d\r\n", b"C: d\r\n"),
        (b"X-Forwarded-For: a\r\nX_Real_IP: b\r\nContent_Length: 5\r\n", b""),
        (b"Cookie: authorization=x\r\nA: b\r\n", b"A: b\r\n"),
        (b"Cookie: a=b; authorization=x; c=d\r\n", b"Cookie: a=b; c=d\r\n"),
        (b"Cookie:authorization=x;c=d\t\r\n", b"Cookie: c=d\r\n"),
        (b"Cookie: a=b\r\nA: b\r\n", b"Cookie: a=b\r\nA: b\r\n"),
        (b"Authorization: Bearer x\r\n", b"Authorization: Bearer x\r\n"),
    ],
)
def test_the_block_that_goes_on(block: bytes, forwarded: bytes) -> None:
    pairs = [line.partition(b":") for line in block.splitlines()]
    parsed = read(block + b"\r\n", [(name, value.strip(b" \t")) for name, _, value in pairs])
    assert parsed.forward_block == forwarded == format_fields(parsed.end_to_end)


def test_no_secret_is_shown() -> None:
    parsed = read(b"Cookie: authorization=secret\r\n\r\n", [(b"Cookie", b"authorization=secret")])
    assert parsed.tokens == (b"secret",)
    assert "secret" not in repr(parsed)
