"""Tables of text for a terminal: columns that are aligned, and cut where they would be too wide."""

from __future__ import annotations

from collections.abc import Sequence

import attrs
from rich.cells import cell_len, set_cell_size

GAP = "  "


@attrs.frozen
class Column:
    """A column's title, and how many cells of the terminal it takes at most, and at least where room is short."""

    title: str
    widest: int | None = attrs.field(default=None, kw_only=True)
    least: int | None = attrs.field(default=None, kw_only=True)  #: None for one that is never made narrower
    to_right: bool = attrs.field(default=False, kw_only=True)


def format_table(columns: Sequence[Column], rows: Sequence[Sequence[str]], width: int | None = None) -> list[str]:
    """Return the lines, the titles first; what is too wide for its column is cut.

    With a `width`, the columns that may be narrower are made so, the widest first, until a line fits.
    """
    widths = [_widest(column, [row[index] for row in rows]) for index, column in enumerate(columns)]
    if width is not None:
        _narrow(columns, widths, width)
    lines = []
    for row in ([column.title for column in columns], *rows):
        cells = [_fit(column, cells, text) for column, cells, text in zip(columns, widths, row, strict=True)]
        lines.append(GAP.join(cells).rstrip() + "\n")
    return lines


def _widest(column: Column, texts: Sequence[str]) -> int:
    found = max(cell_len(column.title), *map(cell_len, texts)) if texts else cell_len(column.title)
    return found if column.widest is None else min(column.widest, found)


def _narrow(columns: Sequence[Column], widths: list[int], width: int) -> None:
    excess = sum(widths) + len(GAP) * (len(widths) - 1) - width
    while excess > 0:
        spare = [
            (widths[index] - column.least, index)
            for index, column in enumerate(columns)
            if column.least is not None
        ]
        most, index = max(spare, default=(0, 0))
        if most <= 0:
            return
        widths[index] -= 1
        excess -= 1


def _fit(column: Column, width: int, text: str) -> str:
    cut = text if cell_len(text) <= width else set_cell_size(text, width - 1) + "…"
    space = " " * (width - cell_len(cut))
    return space + cut if column.to_right else cut + space
