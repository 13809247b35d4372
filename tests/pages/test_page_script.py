"""The pages' script: it makes no markup of what it is told, and knows the words that its page holds."""

from __future__ import annotations

import re

from conductor_trio.pages.html import Page
from conductor_trio.pages.page_script import SCRIPT
from conductor_trio.pages.words.english import ENGLISH


def test_what_others_told_becomes_text_and_never_markup() -> None:
    assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|\beval\b|</", SCRIPT)


def test_its_page_holds_what_it_asks_for() -> None:
    page = Page(title="T", hop="H", text="X", advice="", reload=2, watch="starting", passed=75.0, output=("a",))
    html = page.render().decode()
    for name in re.findall(r"main\.dataset\.(\w+)", SCRIPT):
        assert f" data-{name}=" in html
    for name in re.findall(r"getElementById\(\"(\w+)\"\)", SCRIPT):
        assert f' id="{name}"' in html
    words = set(re.findall(r"\bwords\.(\w+)", SCRIPT))
    assert words and all(f"&quot;{word}&quot;:" in html and word in ENGLISH.labels for word in words)
