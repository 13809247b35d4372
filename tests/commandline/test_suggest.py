"""What a mistyped word may mean."""

from __future__ import annotations

import pytest

from conductor_trio.commandline.suggest import find_similar, suggest


@pytest.mark.parametrize(
    ("word", "similar"), [("lss", "ls"), ("stpo", "stop"), ("shar", "share"), ("gw.example.org", None), ("", None)]
)
def test_the_known_word_that_is_most_like_it(word: str, similar: str | None) -> None:
    assert find_similar(word, ["share", "stop", "ls"]) == similar


def test_without_one_all_are_named() -> None:
    assert suggest("stpo", {"stop", "ls"}) == "did you mean stop?"
    assert suggest("x", {"stop", "ls"}) == "there is: ls, stop"
