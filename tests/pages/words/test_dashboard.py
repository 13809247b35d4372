"""What the dashboard answers: a text in each language for each of its answers, and none for nothing."""

from __future__ import annotations

from conductor_trio.pages.answers import Hop, Reply
from conductor_trio.pages.words.dashboard import ENGLISH_DASHBOARD, GERMAN_DASHBOARD
from conductor_trio.server.dashboard import console, entrance


def test_each_answer_has_its_text_and_each_text_its_answer() -> None:
    replies = [
        value for module in (console, entrance) for value in vars(module).values() if isinstance(value, Reply)
    ]
    used = {reply.topic for reply in replies if reply.hop is Hop.DASHBOARD}
    assert used == set(ENGLISH_DASHBOARD) == set(GERMAN_DASHBOARD)


def test_commands_are_the_same_in_each_language() -> None:
    for topic, words in ENGLISH_DASHBOARD.items():
        for said, translated in (
            (words.text, GERMAN_DASHBOARD[topic].text),
            (words.advice, GERMAN_DASHBOARD[topic].advice),
        ):
            assert set(said.split("`")[1::2]) == set(translated.split("`")[1::2]), topic
