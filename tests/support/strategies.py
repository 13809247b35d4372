"""Hypothesis strategies that several test modules share."""

from __future__ import annotations

from hypothesis import strategies as st


def cut(data: bytes, sizes: list[int]) -> list[bytes]:
    """Cut `data` into pieces of these sizes, the last taking what is left."""
    pieces, at = [], 0
    for size in sizes:
        pieces.append(data[at : at + size])
        at += size
    return [*pieces, data[at:]]


#: Sizes for `cut`: none, small and empty pieces among them.
cuts = st.lists(st.integers(min_value=0, max_value=12), max_size=12)
