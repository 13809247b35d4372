"""What a table of words is made of: values that differ in no more than what they say."""

from __future__ import annotations

from conductor_trio.pages.words.words import Words


def test_a_topic_needs_no_more_than_a_title_and_a_text() -> None:
    words = Words("Title", "Text.")
    assert (words.advice, words.owner, words.named) == ("", "", "")
