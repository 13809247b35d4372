"""What is said of people whom the single sign-on names: in each language, with the command that lets them in."""

from __future__ import annotations

import pytest

from conductor_trio.access.reasons import IdentityNeeded
from conductor_trio.pages.answers import answer_for
from conductor_trio.pages.words.languages import LANGUAGES
from conductor_trio.pages.words.sign_on import ENGLISH_PEOPLE, ENGLISH_SIGN_ON, GERMAN_PEOPLE, GERMAN_SIGN_ON
from conductor_trio.pages.words.words import Language


def test_each_text_is_there_in_each_language() -> None:
    assert set(ENGLISH_SIGN_ON) == set(GERMAN_SIGN_ON) == {"nobody", "somebody_else"}
    assert set(ENGLISH_PEOPLE) == set(GERMAN_PEOPLE)
    assert not {name for name, text in ENGLISH_PEOPLE.items() if text == GERMAN_PEOPLE[name]}


@pytest.mark.parametrize("language", LANGUAGES.values(), ids=LANGUAGES)
def test_who_is_not_let_in_hears_what_to_ask_the_owner_for(language: Language) -> None:
    assert "`conductor-trio share KEY --with {user}`" in language.answers["somebody_else"].advice
    assert "`conductor-trio share KEY --with bob`" in answer_for(IdentityNeeded(user="bob")).advice
