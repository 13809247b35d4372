"""Words with values: the same as text and as HTML, in which no value is markup."""

from __future__ import annotations

from html import unescape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conductor_trio.pages.speech import Markup, Moment, as_markup, fill, fill_markup
from conductor_trio.pages.words.english import ENGLISH
from conductor_trio.pages.words.german import GERMAN
from conductor_trio.pages.words.words import Language


@pytest.mark.parametrize(
    ("language", "text"), [(ENGLISH, "00:00:00 UTC on 01 January 1970"), (GERMAN, "00:00:00 UTC am 01.01.1970")]
)
def test_times(language: Language, text: str) -> None:
    assert fill("at {since}", {"since": Moment(0.0)}, language) == f"at {text}"
    element = f'<time datetime="1970-01-01T00:00:00Z">{text}</time>'
    assert fill_markup("at {since}", {"since": Moment(0.0)}, language) == f"at {element}"


def test_commands_are_marked() -> None:
    assert fill_markup("Type `ls`.", {}, ENGLISH) == 'Type <code class="whole">ls</code>.'
    said = fill_markup("Type `stop {key}` & wait.", {"key": "<lab>"}, ENGLISH)
    assert said == "Type <code>stop &lt;lab&gt;</code> &amp; wait."
    assert fill("Type `stop {key}` & wait.", {"key": "<lab>"}, ENGLISH) == "Type `stop <lab>` & wait."


@given(st.text())
def test_values_are_text(value: str) -> None:
    markup = fill_markup("{what}", {"what": value}, ENGLISH)
    assert not set(markup) & set("<>\"'")
    assert unescape(markup) == fill("{what}", {"what": value}, ENGLISH) == value
    assert as_markup(value) == markup
    assert as_markup(markup) is markup and isinstance(markup, Markup)
