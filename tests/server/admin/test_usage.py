"""Who uses what: what was used between two looks."""

from __future__ import annotations

import pytest

from conductor_trio.server.admin.usage import compare
from tests.support.usage import STRANGERS, look


def test_rates_are_what_came_between() -> None:
    before = [look(), look("bob"), STRANGERS]
    now = [look(bytesOut=6000, requests=14, processor=1.5), look("bob", processor=1.02), STRANGERS]
    alice, bob, strangers = compare(before, now, 2.0)
    assert (alice.name, alice.processor, alice.bytes_out, alice.requests) == ("alice", 0.25, 2000.0, 2.0)
    assert (bob.name, bob.bytes_in) == ("bob", 0.0) and bob.processor == pytest.approx(0.01)
    assert (strangers.name, strangers.sessions, strangers.bytes_in) == ("(strangers)", None, None)
    assert strangers.is_throttled


def test_who_was_not_there_before_and_whose_sessions_went() -> None:
    new, less = compare([look("bob")], [look("bob", bytesOut=5), look("eve")], 1.0)
    assert (new.bytes_out, less.bytes_out) == (0.0, 0.0)
