"""The tokens: whatever colour the house has, text can be read in every scheme; and nothing else has a colour."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conductor_trio.pages.colors import AA, AAA, Color, parse_color
from conductor_trio.pages.style import SHEET, make_tokens

parts = st.integers(0, 255)
SCHEMES = ("light", "dark", "more light", "more dark")


def schemes(color: Color) -> dict[str, dict[str, Color]]:
    """Return the colours of each scheme, by their tokens."""
    found = {}
    for name, line in zip(SCHEMES, make_tokens(color).splitlines(), strict=True):
        found[name] = {key: parse_color(value) for key, value in re.findall(r"--([a-z-]+):(#[0-9a-f]+);", line)}
    return found


@given(st.builds(Color, parts, parts, parts))
def test_all_text_can_be_read(color: Color) -> None:
    for name, tokens in schemes(color).items():
        ratio = AAA if name.startswith("more") else AA
        for ground in ("paper", "card", "well"):
            for ink in ("ink", "soft", "accent", "good", "wait", "bad"):
                assert tokens[ink].contrast(tokens[ground]) >= ratio, (name, ink, ground)
            assert tokens["edge"].contrast(tokens[ground]) >= 3, (name, ground)  # 1.4.11
        assert tokens["on-accent"].contrast(tokens["accent"]) >= AA, name


@pytest.mark.parametrize("scheme", SCHEMES)
def test_each_scheme_has_all_tokens_that_the_sheet_uses(scheme: str) -> None:
    tokens = set(re.findall(r"--([a-z0-9-]+):", make_tokens().splitlines()[0]))
    assert set(re.findall(r"var\(--([a-z0-9-]+)\)", SHEET)) <= tokens
    assert schemes(Color(1, 2, 3))[scheme].keys() == schemes(Color(1, 2, 3))["light"].keys()


def test_the_sheet_has_no_color_of_its_own_and_loads_nothing() -> None:
    assert not re.search(r"#[0-9a-f]{3,6}\b|rgb|hsl|url\(|@import|</", SHEET)
