"""A page says what it is given and nothing else: no markup of others, nothing to load."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conductor_trio.pages.house import House
from conductor_trio.pages.html import Form, Page

texts = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=20)


class Reader(HTMLParser):
    """Keeps the tags and the text."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


def read(page: Page) -> Reader:
    reader = Reader()
    reader.feed(page.render().decode())
    reader.close()
    return reader


def make_page(**fields: object) -> Page:
    words = {
        "title": "No such place",
        "hop": "Gateway",
        "text": "Nothing is here.",
        "advice": "Ask.",
        "code": "404",
    }
    return Page(**{**words, **fields})  # type: ignore[arg-type]


@given(texts, texts, texts, texts, texts)
def test_whatever_it_says_is_text(title: str, hop: str, text: str, advice: str, code: str) -> None:
    reader = read(make_page(title=title, hop=hop, text=text, advice=advice, code=code))
    plain = read(make_page(advice="x" if advice else "", code="404" if code else ""))
    assert reader.tags == plain.tags
    for said in (title, hop, text, advice, code):
        assert said in reader.text


def test_markup_of_others_is_shown_as_it_is() -> None:
    page = make_page(text="<script>alert('x')</script>&amp;").render()
    assert b"<script" not in page
    assert b"&lt;script&gt;" in page


@pytest.mark.parametrize(
    ("fields", "tag", "is_there"),
    [
        ({}, "form", False),
        ({"form": Form.TOKEN}, "form", True),
        ({"form": Form.TOKEN}, "input", True),
        ({"form": Form.TOKEN}, "button", True),
        ({"advice": ""}, "form", False),
    ],
)
def test_what_it_has(fields: dict[str, object], tag: str, is_there: bool) -> None:
    assert (tag in read(make_page(**fields)).tags) is is_there


def test_a_browser_asks_again_where_it_is_told_so() -> None:
    assert b'<meta http-equiv="refresh" content="3">' in make_page(reload=3).render()
    assert b"refresh" not in make_page().render()


def test_it_is_for_phones_and_screen_readers() -> None:
    page = make_page(form=Form.TOKEN).render()
    assert page.startswith(b'<!doctype html>\n<html lang="en">')
    assert b'name="viewport"' in page
    assert b'<label for="token">' in page and b'id="token"' in page


def test_nothing_is_loaded_from_elsewhere() -> None:
    house = House()
    assert "url(" not in house.style and "@import" not in house.style
    for policy in (house.policy, house.plain_policy):
        assert b"default-src 'none'" in policy and b"frame-ancestors 'none'" in policy
        assert b"unsafe" not in policy and b"http" not in policy


def test_what_is_announced_is_above_all_else_and_is_text() -> None:
    page = Page(title="T", hop="H", text="X", advice="", code="404", announcement="<b>noon</b>").render().decode()
    told = '<div class="note announcement" role="note" aria-label="Announcement">&lt;b&gt;noon&lt;/b&gt;</div>\n'
    assert f"<main>\n{told}" in page
    assert "announcement" not in Page(title="T", hop="H", text="X", advice="", code="404").render().decode()
