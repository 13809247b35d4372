"""Tables of text: aligned, and no wider than they may be."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from conductor_trio.commandline.columns import Column, format_table

COLUMNS = (Column("HOST", least=4), Column("N", to_right=True), Column("TEXT", widest=6))


def test_columns_are_aligned_and_cut() -> None:
    rows = [("a", "1", "short"), ("bcdef", "100", "much longer")]
    assert format_table(COLUMNS, rows) == [
        "HOST     N  TEXT\n",
        "a        1  short\n",
        "bcdef  100  much …\n",
    ]
    assert format_table(COLUMNS, []) == ["HOST  N  TEXT\n"]


def test_what_may_be_narrower_is_where_room_is_short() -> None:
    rows = [("a-long-host-name.example", "1", "x")]
    assert format_table(COLUMNS, rows, 20) == ["HOST         N  TEXT\n", "a-long-hos…  1  x\n"]
    # Not below its least, whatever the terminal is like.
    assert format_table(COLUMNS, rows, 5)[1] == "a-l…  1  x\n"
    assert format_table((Column("A"),), [("abc",)], 1)[1] == "abc\n"


@given(
    st.lists(
        st.tuples(st.text(st.characters(categories=["L", "N"]), max_size=30), st.text("0123456789", max_size=9))
    ),
    st.integers(20, 60),
)
def test_every_line_fits(rows: list[tuple[str, str]], width: int) -> None:
    lines = format_table((Column("HOST", least=4), Column("N", to_right=True)), rows, width)
    assert len(lines) == len(rows) + 1
    assert all(cell_len(line.rstrip("\n")) <= width for line in lines)


@pytest.mark.parametrize("text", ["数据", "é", "a"])
def test_wide_letters_take_their_cells(text: str) -> None:
    [_, line] = format_table((Column("A"), Column("B")), [(text, "x")])
    assert cell_len(line.rstrip("\n")) == max(1, cell_len(text)) + 3
