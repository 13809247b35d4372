"""English is what programs get, and so it holds a word for each topic that an answer has."""

from __future__ import annotations

import pytest

from conductor_trio.access.reasons import Reason
from conductor_trio.pages.answers import answer_for
from conductor_trio.pages.words.dashboard import ENGLISH_DASHBOARD
from conductor_trio.pages.words.english import ENGLISH
from tests.support.answers import REASONS


@pytest.mark.parametrize("reason", REASONS, ids=str)
def test_every_answer_has_its_words(reason: Reason) -> None:
    reply = answer_for(reason)
    assert reply.title and reply.text and "{" not in reply.title + reply.text + reply.advice


def test_no_topic_is_there_for_nothing() -> None:
    replies = [answer_for(reason) for reason in REASONS]
    used = {topic for reply in replies for topic in (reply.topic, reply.titled)}
    elsewhere = {"nobody", "somebody_else", "too_many_guesses", "426"}  # reasons with values of their own
    assert set(ENGLISH.answers) - used - set(ENGLISH_DASHBOARD) == elsewhere
