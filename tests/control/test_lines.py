"""Lines are the same whatever the cut of their bytes, and never longer than allowed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conductor_trio.control.lines import LineReader
from conductor_trio.errors import RemoteProtocolError
from tests.support.strategies import cut, cuts

MAX_LINE = 8


def outcome(pieces: list[bytes]) -> tuple[list[bytes], bool, bool]:
    """Feed the pieces; return the lines, whether a line was too long, and whether one is unfinished."""
    reader = LineReader(MAX_LINE)
    lines: list[bytes] = []
    for piece in pieces:
        reader.receive_data(piece)
        try:
            while (line := reader.next_event()) is not None:
                lines.append(line)
        except RemoteProtocolError:
            return lines, True, False
    return lines, False, reader.has_partial_line


@pytest.mark.parametrize(
    ("data", "lines", "partial"),
    [
        (b"", [], False),
        (b"\n", [b""], False),
        (b"a", [], True),
        (b"a\n", [b"a"], False),
        (b"a\nb", [b"a"], True),
        (b"a\n\nb\n", [b"a", b"", b"b"], False),
        (b"a\r\n", [b"a\r"], False),
        (b"1234567\n", [b"1234567"], False),
        (b"1234567\n1234567\n", [b"1234567", b"1234567"], False),
        (b"\xff\0\n", [b"\xff\0"], False),
    ],
)
def test_lines(data: bytes, lines: list[bytes], partial: bool) -> None:
    assert outcome([data]) == (lines, False, partial)


@pytest.mark.parametrize("data", [b"12345678", b"12345678\n", b"123456789", b"12345678" * 100 + b"\n"])
def test_a_line_of_more_than_the_bound_is_refused(data: bytes) -> None:
    reader = LineReader(MAX_LINE)
    reader.receive_data(data)
    with pytest.raises(RemoteProtocolError, match="longer than 8 bytes"):
        reader.next_event()


def test_lines_before_one_that_is_too_long_still_come() -> None:
    assert outcome([b"a\nb\n123456789\nc\n"]) == ([b"a", b"b"], True, False)


@given(st.lists(st.binary(max_size=9) | st.just(b"\n"), max_size=12).map(b"".join), cuts)
def test_any_cut_gives_the_same(data: bytes, sizes: list[int]) -> None:
    assert outcome(cut(data, sizes)) == outcome([data])


@given(st.lists(st.binary(max_size=MAX_LINE - 1).map(lambda line: line.replace(b"\n", b"")), max_size=8), cuts)
def test_what_is_written_is_read(lines: list[bytes], sizes: list[int]) -> None:
    assert outcome(cut(b"".join(line + b"\n" for line in lines), sizes)) == (lines, False, False)


@given(st.binary(max_size=64), cuts)
def test_no_line_is_longer_than_the_bound_and_none_is_lost(data: bytes, sizes: list[int]) -> None:
    lines, too_long, _ = outcome(cut(data, sizes))
    assert all(len(line) < MAX_LINE for line in lines)
    expected = data.split(b"\n")[:-1]
    assert lines == (expected[: len(lines)] if too_long else expected)


def test_a_long_line_in_many_pieces_costs_no_more_than_its_length() -> None:
    length = 1 << 18
    reader = LineReader(length + 1)
    for _ in range(length):
        reader.receive_data(b"x")
        assert reader.next_event() is None  # each look covers the new byte only, or this would take minutes
    reader.receive_data(b"\n")
    assert reader.next_event() == b"x" * length
