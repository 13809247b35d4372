"""The pictures: said by nobody, in the colours of their page, and as an icon whole in its address."""

from __future__ import annotations

from urllib.parse import unquote
from xml.etree import ElementTree

import pytest

from conductor_trio.pages import symbols


@pytest.mark.parametrize("name", ["LOCK", "CLOCK", "ALERT", "ENDED", "QUESTION"])
def test_they_are_for_the_eye_only(name: str) -> None:
    picture = ElementTree.fromstring(getattr(symbols, name))
    assert (picture.get("aria-hidden"), picture.get("stroke")) == ("true", "currentColor")


def test_the_mark_and_the_icon() -> None:
    assert "var(--card)" in symbols.draw_mark() and "{" not in symbols.draw_mark()
    address = symbols.make_icon("#0d6e63", "#ffffff")
    assert address.startswith("data:image/svg+xml,") and not set(address) & set('"<>#{}')
    drawn = ElementTree.fromstring(unquote(address.removeprefix("data:image/svg+xml,")))
    assert drawn.tag == "{http://www.w3.org/2000/svg}svg"
