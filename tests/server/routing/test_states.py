"""The states of a session: every transition of the table, and that there are no others."""

from __future__ import annotations

from typing import get_args

import pytest

from conductor_trio.errors import LocalProtocolError
from conductor_trio.server.routing.states import (
    GONE,
    TRANSITIONS,
    Cause,
    Detached,
    Ended,
    Gone,
    Live,
    SessionState,
    Starting,
    next_state,
)

STARTING, LIVE = Starting(since=1.0), Live(since=2.0)
DETACHED, ENDED = Detached(since=3.0, expires=30.0), Ended(since=4.0, expires=40.0)

EXPECTED: list[tuple[SessionState, Cause, SessionState | Gone]] = [
    (STARTING, Cause.READY, Live(since=9.0)),
    (STARTING, Cause.LINK_LOST, Detached(since=9.0, expires=90.0)),
    (STARTING, Cause.LEFT, Ended(since=9.0, expires=90.0)),
    (STARTING, Cause.CUT, Ended(since=9.0, expires=90.0, is_cut=True)),
    (STARTING, Cause.REPLACED, GONE),
    (LIVE, Cause.READY, Live(since=9.0)),
    (LIVE, Cause.LINK_LOST, Detached(since=9.0, expires=90.0)),
    (LIVE, Cause.LEFT, Ended(since=9.0, expires=90.0)),
    (LIVE, Cause.CUT, Ended(since=9.0, expires=90.0, is_cut=True)),
    (LIVE, Cause.REPLACED, GONE),
    # What was detached has ended when its link was lost, as far as visitors could tell.
    (DETACHED, Cause.EXPIRED, Ended(since=3.0, expires=90.0)),
    (DETACHED, Cause.REPLACED, GONE),
    (ENDED, Cause.EXPIRED, GONE),
    (ENDED, Cause.REPLACED, GONE),
    *((state, Cause.TAKEN_OVER, GONE) for state in (STARTING, LIVE, DETACHED, ENDED)),
]


@pytest.mark.parametrize(("state", "cause", "after"), EXPECTED)
def test_each_transition(state: SessionState, cause: Cause, after: SessionState | Gone) -> None:
    assert next_state(state, cause, now=9.0, expires=90.0) == after


@pytest.mark.parametrize("state", [STARTING, LIVE, DETACHED, ENDED])
@pytest.mark.parametrize("cause", Cause)
def test_what_is_not_in_the_table_is_our_own_mistake(state: SessionState, cause: Cause) -> None:
    if not any(state == before and cause is why for before, why, _ in EXPECTED):
        with pytest.raises(LocalProtocolError):
            next_state(state, cause, now=9.0, expires=90.0)


def test_the_table_has_a_row_for_each_state_and_no_more_than_what_is_expected() -> None:
    assert set(TRANSITIONS) == {*get_args(SessionState), Gone}
    assert sum(map(len, TRANSITIONS.values())) == len(EXPECTED)
