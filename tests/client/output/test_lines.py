"""The application's text in whole lines, whatever the pieces are in which it comes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from conductor_trio.client.output.lines import LineKeeper


@given(st.lists(st.text(alphabet="ab\n\r", max_size=8)), st.integers(0, 6))
def test_nothing_is_left_out_and_nothing_cut_that_is_no_longer_than_is_kept(pieces: list[str], most: int) -> None:
    keeper = LineKeeper(most)
    passed = [keeper.add(piece) for piece in pieces]
    rest = keeper.take()
    assert "".join(passed) + rest == "".join(pieces)
    assert len(rest) <= most
    longest = max(map(len, "".join(pieces).split("\n")))
    if longest <= most:
        assert all(piece == "" or piece.endswith("\n") for piece in passed)
    assert not keeper.keeps_something


def test_a_begun_line_is_kept_until_its_end() -> None:
    keeper = LineKeeper(100)
    assert keeper.add("one\ntw") == "one\n"
    assert keeper.keeps_something
    assert keeper.add("o") == ""
    assert keeper.add("\nthree\n") == "two\nthree\n"
    assert not keeper.keeps_something
