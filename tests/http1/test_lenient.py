"""Heads and trailers of responses that are put into the strict grammar, and those whose meaning is in doubt."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conductor_trio.errors import RemoteProtocolError
from conductor_trio.http1.fields import parse_field_block
from conductor_trio.http1.lenient import find_section_end, repair_field_block, repair_head


@pytest.mark.parametrize(
    ("data", "ends"),
    [
        (b"A: b\r\n\r\nrest", (6, 8)),
        (b"A: b\n\nrest", (5, 6)),
        (b"A: b\n\r\nrest", (5, 7)),
        (b"A: b\r\n\nrest", (6, 7)),
        (b"A: b\n\nC: d\r\n\r\n", (5, 6)),  # the first of both
        (b"A: b\r\n\r\nC: d\n\n", (6, 8)),
        (b"A: b\r\n", (-1, -1)),
        (b"A: b\r\n\r", (-1, -1)),
        (b"", (-1, -1)),
    ],
)
def test_a_section_ends_with_the_first_empty_line(data: bytes, ends: tuple[int, int]) -> None:
    assert find_section_end(data, 0) == ends


@pytest.mark.parametrize(
    ("block", "strict"),
    [
        (b"A: b\n", b"A: b\r\n"),
        (b"A: b\r\nC: d\n", b"A: b\r\nC: d\r\n"),
        (b"A: b\r\n  c\r\n\td\r\n", b"A: b c d\r\n"),
        (b"A: b\n c\n", b"A: b c\r\n"),
        (b"A: b\x01c\x7f\r\n", b"A: b c \r\n"),
        (b"A:\tb\r\n", b"A:\tb\r\n"),
        (b"A: \xe4\r\n", b"A: \xe4\r\n"),
    ],
)
def test_what_is_not_in_doubt_is_repaired(block: bytes, strict: bytes) -> None:
    assert repair_field_block(block) == strict


@pytest.mark.parametrize(
    ("block", "words"),
    [
        (b" A: b\r\n", "white space before"),
        (b"\tA: b\r\n", "white space before"),
        (b"A : b\r\n", "malformed name"),
        (b"A\r\n", "malformed name"),
        (b": b\r\n", "malformed name"),
        (b"A: b\x00c\r\n", "forbidden character in the header field A"),
        (b"A: b\rc\r\n", "forbidden character"),
        (b"Content-Length: 5\x01\r\n", "forbidden character"),
        (b"transfer-encoding: chunked\x0b\r\n", "forbidden character"),
    ],
)
def test_what_is_in_doubt_is_refused_and_named(block: bytes, words: str) -> None:
    with pytest.raises(RemoteProtocolError, match=words):
        repair_field_block(block)


@pytest.mark.parametrize(
    ("head", "strict"),
    [
        (b"HTTP/1.1 200 OK\nA: b\n\n", b"HTTP/1.1 200 OK\r\nA: b\r\n\r\n"),
        (b"HTTP/1.1 200 O\x01K\r\n\r\n", b"HTTP/1.1 200 O K\r\n\r\n"),
        (b"HTTP/1.1   200 OK\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n"),
        (b"HTTP/1.1  200\r\n\r\n", b"HTTP/1.1 200\r\n\r\n"),
        (b"HTTP/1.0 204\n\r\n", b"HTTP/1.0 204\r\n\r\n"),
    ],
)
def test_a_head_is_repaired_with_its_status_line(head: bytes, strict: bytes) -> None:
    assert repair_head(head) == strict


names = st.from_regex(rb"[A-Za-z-]{1,8}", fullmatch=True)
values = st.from_regex(rb"[!-~\x80-\xff]([ -~\x80-\xff]{0,8}[!-~\x80-\xff])?", fullmatch=True)


@given(st.lists(st.tuples(names, values, st.sampled_from([b"\n", b"\r\n"])), max_size=5))
def test_whatever_the_line_ends_the_fields_are_the_same(fields: list[tuple[bytes, bytes, bytes]]) -> None:
    block = b"".join(name + b": " + value + end for name, value, end in fields)
    parsed = parse_field_block(repair_field_block(block), max_fields=None)
    assert [(field.name, field.value) for field in parsed] == [(name, value) for name, value, _ in fields]


@given(st.binary(max_size=60))
def test_any_bytes_give_the_strict_grammar_or_a_refusal(block: bytes) -> None:
    try:
        repaired = repair_field_block(block + b"\n")
    except RemoteProtocolError:
        return
    parse_field_block(repaired, max_fields=None)
