"""The tables of the control channel's transitions are whole, and what one end sends the other can take."""

from __future__ import annotations

import enum

import pytest

from conductor_trio.control.events import Ping
from conductor_trio.control.states import (
    CLIENT_RECEIVES,
    CLIENT_SENDS,
    IGNORING,
    SERVER_RECEIVES,
    SERVER_SENDS,
    BadLine,
    ClientState,
    LastSurplusLine,
    ServerState,
    SurplusLine,
    Table,
)

#: What is never sent: it only stands for what was received.
STAND_INS = {BadLine, SurplusLine, LastSurplusLine}


def kinds(*tables: Table[ServerState] | Table[ClientState]) -> set[type]:
    """Return the classes of all messages in the tables, whatever extension they need."""
    keys = [key for table in tables for row in table.values() for key in row]
    return {key[0] if isinstance(key, tuple) else key for key in keys}


def test_the_tables_have_all_states() -> None:
    assert set(SERVER_SENDS) == set(SERVER_RECEIVES) == set(ServerState)
    assert set(CLIENT_SENDS) == set(CLIENT_RECEIVES) == set(ClientState)


def test_each_end_takes_what_the_other_may_send_and_nothing_else() -> None:
    assert kinds(SERVER_SENDS) == kinds(CLIENT_RECEIVES) - STAND_INS
    assert kinds(CLIENT_SENDS) == kinds(SERVER_RECEIVES) - STAND_INS


@pytest.mark.parametrize(
    ("start", "sends", "receives"),
    [
        (ServerState.SEND_BANNER, SERVER_SENDS, SERVER_RECEIVES),
        (ClientState.AWAIT_BANNER, CLIENT_SENDS, CLIENT_RECEIVES),
    ],
    ids=["server", "client"],
)
def test_every_state_can_be_reached_and_from_each_the_end(
    start: enum.Enum, sends: Table[enum.Enum], receives: Table[enum.Enum]
) -> None:
    ahead = {state: {*sends[state].values(), *receives[state].values()} for state in sends}

    def reached(state: enum.Enum) -> set[enum.Enum]:
        seen, new = {state}, {state}
        while new:
            new = {to for at in new for to in ahead[at]} - seen
            seen |= new
        return seen

    assert reached(start) == set(type(start))
    # LEFT and REGISTERED end with the channel, which is in no table.
    for state in set(type(start)) - {ClientState.LEFT, ClientState.REGISTERED}:
        assert type(start)["CLOSED"] in reached(state)


def test_nothing_follows_the_end() -> None:
    assert not SERVER_SENDS[ServerState.CLOSED] and not SERVER_RECEIVES[ServerState.CLOSED]
    assert not CLIENT_SENDS[ClientState.CLOSED] and not CLIENT_RECEIVES[ClientState.CLOSED]


def test_whoever_waits_for_one_thing_is_told_by_a_bad_line_that_it_will_not_come() -> None:
    """Each state in which something may come says what becomes of a line that is none of it."""
    for table in (SERVER_RECEIVES, CLIENT_RECEIVES):
        for row in table.values():
            assert not row or BadLine in row


def test_what_is_ignored_is_in_no_row() -> None:
    for state in IGNORING:
        match state:
            case ServerState():
                assert not SERVER_RECEIVES[state]
            case ClientState():
                assert not CLIENT_RECEIVES[state]


def test_a_first_ping_tells_the_client_that_silence_means_something() -> None:
    assert CLIENT_RECEIVES[ClientState.FOLLOWING][Ping] is ClientState.PINGED
    assert set(CLIENT_RECEIVES[ClientState.PINGED].values()) == {ClientState.PINGED, ClientState.CLOSED}
