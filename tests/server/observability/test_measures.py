"""Refusals have words that are ours, all of which are there from the start."""

from __future__ import annotations

import pytest

from conductor_trio.access.reasons import (
    BadRequest,
    LinkForOneBrowser,
    LinkLost,
    Reason,
    Redirect,
    Refusal,
    TooManyGuesses,
    UpstreamFailed,
)
from conductor_trio.errors import UpstreamFault
from conductor_trio.server.observability.measures import Measures, name_reason

NAMES: list[tuple[Reason, str | None]] = [
    (Refusal.WRONG_TOKEN, "wrong_token"),
    (Refusal.TOO_MANY_FROM_ADDRESS, "too_many_from_address"),
    (UpstreamFailed(status=502, fault=UpstreamFault.BAD_ANSWER, what="x", since=0), "bad_answer"),
    (TooManyGuesses(wait=1), "too_many_guesses"),
    (LinkLost(since=0), "link_lost"),
    (BadRequest(status=400), "bad_request"),
    (Redirect(where="/", set_cookies=()), None),
    (LinkForOneBrowser(), None),
]


@pytest.mark.parametrize(("reason", "name"), NAMES)
def test_a_reason_has_a_word(reason: Reason, name: str | None) -> None:
    assert name_reason(reason) == name


def test_every_word_is_there_from_the_start() -> None:
    measures = Measures()
    before = set(measures.refusals)
    for reason in [*Refusal, *(reason for reason, _ in NAMES)]:
        measures.count_refusal(reason)
    assert set(measures.refusals) == before
    assert measures.refusals["wrong_token"] == 2 and measures.refusals["no_page"] == 1
