"""Every status that a broken request is answered with has its words, and the fields that go with it."""

from __future__ import annotations

from http import HTTPStatus

import pytest

from conductor_trio.access.reasons import BadRequest
from conductor_trio.pages.answers import answer_for
from conductor_trio.pages.bad_request import FIELDS
from conductor_trio.pages.words.english import ENGLISH

TEXTS = {int(topic): words.text for topic, words in ENGLISH.answers.items() if topic.isdigit()}


@pytest.mark.parametrize("status", sorted(TEXTS))
def test_each_status_has_words_of_its_own(status: int) -> None:
    answer = answer_for(BadRequest(status=status))
    assert (answer.status, answer.text, answer.title) == (status, TEXTS[status], HTTPStatus(status).phrase)
    assert answer.text.endswith(".") and answer.fields == FIELDS.get(status, ())


def test_another_one_is_said_in_general_words() -> None:
    answer = answer_for(BadRequest(status=411))
    assert (answer.title, answer.text) == (HTTPStatus(411).phrase, TEXTS[400])
