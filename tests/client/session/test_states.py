"""The tables of the client's session: whole, with a way out of everything, and ever more patient."""

from __future__ import annotations

from collections import deque
from typing import get_args

import pytest

from conductor_trio.client.session.states import (
    TRANSITIONS,
    VERDICTS,
    Event,
    Loss,
    Reached,
    State,
    TransportClosed,
    TransportLost,
    Verdict,
)


def classes_of(state: State) -> set[type[Event]]:
    """Return the events that can happen there."""
    return {key[0] if isinstance(key, tuple) else key for key in TRANSITIONS[state]}


def reachable(start: State) -> set[State]:
    """Return the states that some events lead to from there, itself included."""
    found, queue = {start}, deque([start])
    while queue:
        for state in TRANSITIONS[queue.popleft()].values():
            if state not in found:
                found.add(state)
                queue.append(state)
    return found


def test_the_tables_are_whole() -> None:
    assert set(TRANSITIONS) == set(State)
    assert set(VERDICTS) == set(Reached)
    assert all(set(row) == set(Loss) for row in VERDICTS.values())


def test_every_event_can_happen_somewhere() -> None:
    assert set().union(*map(classes_of, State)) == set(get_args(Event))


@pytest.mark.parametrize("state", State)
def test_every_state_is_come_to_and_may_end(state: State) -> None:
    assert state in reachable(State.DIALLING)
    assert State.ENDED in reachable(state)


def test_the_end_is_the_end() -> None:
    assert reachable(State.ENDED) == {State.ENDED}


@pytest.mark.parametrize("state", [state for state in State if state is not State.REDIALLING])
def test_a_transport_may_be_lost_wherever_there_is_one(state: State) -> None:
    assert TransportLost in classes_of(state)


def test_a_transport_is_closed_only_by_who_is_done_with_it() -> None:
    assert {state for state in State if TransportClosed in classes_of(state)} == {State.DISCARDING, State.ENDED}


@pytest.mark.parametrize("loss", Loss)
def test_who_has_come_further_is_more_patient(loss: Loss) -> None:
    """No loss ends a session that was accepted once, and none that it had survived before."""
    ends = [VERDICTS[reached][loss] is Verdict.END for reached in Reached]
    assert ends == sorted(ends, reverse=True)
    assert not ends[-1]


@pytest.mark.parametrize("reached", Reached)
def test_the_loss_of_a_transport_is_not_mended_over_it(reached: Reached) -> None:
    for loss in (Loss.TRANSPORT, Loss.HERE):
        assert VERDICTS[reached][loss] in (Verdict.REDIAL, Verdict.END)
