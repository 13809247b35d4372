"""What is not printable is written as a literal, and all else as it is."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from conductor_trio.printable import escape


def test_what_is_not_printable_is_written_as_a_literal() -> None:
    text = "a\nb\x1b]0;x\x07\x9b\u2028\u202e\ud800é"
    assert escape(text) == r"a\nb\x1b]0;x\x07\x9b\u2028\u202e\ud800é"
    assert escape(text, keep="\n").startswith("a\nb\\x1b")
    assert escape("plain") == "plain"


@given(st.text(st.characters()))
def test_whatever_the_text_it_can_be_shown(text: str) -> None:
    assert escape(text).isprintable()
    assert set(escape(text, keep="\n")) - {"\n"} == set(escape(text.replace("\n", "")))
