"""No language lacks what another has, and everybody gets the one they like best of those that there are."""

from __future__ import annotations

import re
from collections.abc import Mapping

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conductor_trio.pages.words.english import ENGLISH
from conductor_trio.pages.words.languages import LANGUAGES, choose_language
from conductor_trio.pages.words.words import Language

by_language = pytest.mark.parametrize("language", LANGUAGES.values(), ids=LANGUAGES)


def placeholders(text: str) -> set[str]:
    return set(re.findall(r"\{(\w+)\}", text))


def commands(text: str) -> list[str]:
    """Return the commands in a text; what stands for something of the reader's choice is in their language."""
    return sorted(re.sub(r"COMMAND|BEFEHL", "", command) for command in re.findall(r"`([^`]*)`", text))


def check_alike(ours: Mapping[str, str], theirs: Mapping[str, str]) -> None:
    assert ours.keys() == theirs.keys()
    for name, text in ours.items():
        assert text, name
        assert placeholders(text) == placeholders(theirs[name]), name
        assert commands(text) == commands(theirs[name]), name


@by_language
def test_none_lacks_a_word(language: Language) -> None:
    check_alike(language.labels, ENGLISH.labels)
    check_alike(language.session, ENGLISH.session)
    assert language.answers.keys() == ENGLISH.answers.keys()
    for topic, words in language.answers.items():
        for field, text in attrs.asdict(words).items():
            english = getattr(ENGLISH.answers[topic], field)
            assert bool(text) is bool(english), (topic, field)
            assert placeholders(text) == placeholders(english), (topic, field)
            assert commands(text) == commands(english), (topic, field)


@by_language
def test_none_says_the_same_as_english(language: Language) -> None:
    if language is not ENGLISH:
        for topic, words in language.answers.items():
            assert words.text != ENGLISH.answers[topic].text or not words.text, topic


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ([], "en"),
        ([b""], "en"),
        ([b"de"], "de"),
        ([b"DE"], "de"),
        ([b"de-AT"], "de"),
        ([b"de-DE,de;q=0.9,en;q=0.8"], "de"),
        ([b"en-US,en;q=0.9,de;q=0.8"], "en"),
        ([b"en;q=0.8, de"], "de"),
        ([b"en;q=0.8,de;q=0.9"], "de"),
        ([b"en;q=0.1", b"de;q=0.2"], "de"),
        ([b"fr, it"], "en"),
        ([b"fr, de;q=0.3"], "de"),
        ([b"fr, *;q=0.5"], "en"),
        ([b"*"], "en"),
        ([b"en;q=0, *"], "de"),
        ([b"de;q=0"], "en"),
        ([b"de;q=0.000, en;q=0.001"], "en"),
        ([b"de;q=0, en;q=0"], "en"),
        ([b"de, en"], "de"),
        ([b"en, de"], "en"),
        ([b"de;q=1.000"], "de"),
        ([b"de ; q=0.7 , en;Q=0.6"], "de"),
        ([b"de;q=2"], "en"),  # no weight that there is
        ([b"de;q=x"], "en"),
        ([b"de_DE"], "en"),
        ([b"deutsch"], "en"),
        ([b"\xe4, de"], "de"),
        ([b"," * 5 + b"de"], "de"),
        ([b"fr," * 99 + b"de"], "en"),  # beyond what is read
    ],
)
def test_who_gets_which(fields: list[bytes], code: str) -> None:
    assert choose_language(fields).code == code


@given(st.lists(st.binary(max_size=99) | st.from_regex(rb"(de|en|\*)(;q=[01](\.[0-9]{0,3})?)?", fullmatch=True)))
def test_whatever_is_asked_for_gets_one(fields: list[bytes]) -> None:
    assert choose_language(fields) in LANGUAGES.values()
