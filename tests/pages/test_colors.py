"""Colours and their contrast, by the numbers of WCAG; whatever colour is chosen can be read in the end."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conductor_trio.pages.colors import AA, AAA, BLACK, WHITE, Color, ink_on, make_readable, parse_color

parts = st.integers(0, 255)
colors = st.builds(Color, parts, parts, parts)


@pytest.mark.parametrize(
    ("text", "color"),
    [("#0d6e63", Color(13, 110, 99)), ("#ABCDEF", Color(171, 205, 239)), ("#fc0", Color(255, 204, 0))],
)
def test_colors_are_read(text: str, color: Color) -> None:
    assert parse_color(text) == color


@pytest.mark.parametrize(
    "text", ["", "red", "0d6e63", "#0d6e6", "#0d6e63ff", "#gggggg", "#0d6e63;}", "# 0d6e6", "#०००"]
)
def test_what_is_no_color(text: str) -> None:
    with pytest.raises(ValueError, match="is no colour"):
        parse_color(text)


@given(colors)
def test_colors_read_back(color: Color) -> None:
    assert parse_color(str(color)) == color


@pytest.mark.parametrize(
    ("one", "other", "ratio"),
    [("#000", "#fff", 21.0), ("#fff", "#fff", 1.0), ("#767676", "#fff", 4.54), ("#0000ff", "#fff", 8.59)],
)
def test_contrast_is_as_wcag_has_it(one: str, other: str, ratio: float) -> None:
    found = parse_color(one).contrast(parse_color(other))
    assert found == parse_color(other).contrast(parse_color(one))
    assert round(found, 2) == ratio


@given(colors, st.sampled_from([AA, AAA]), st.sampled_from(["#ffffff", "#f4f6f5", "#0f1413", "#181f1d"]))
def test_any_color_becomes_readable(color: Color, ratio: float, ground: str) -> None:
    on = parse_color(ground)
    readable = make_readable(color, (on,), ratio)
    assert readable.contrast(on) >= ratio
    assert readable == color or color.contrast(on) < ratio  # no more is changed than must be


@given(colors)
def test_there_is_an_ink_for_any_color(color: Color) -> None:
    assert ink_on(color) in (BLACK, WHITE)
    assert ink_on(color).contrast(color) >= AA
