"""Ends that are not done with: the latest of a session counts, and the oldest of too many give way."""

from __future__ import annotations

import pytest

from conductor_trio.server.orders import ends as module
from conductor_trio.server.orders.ends import End, Ends


def test_the_latest_of_a_session_counts_until_its_time_is_over() -> None:
    ends, told = Ends(), list[int]()
    ends.subscribe(lambda: told.append(len(ends)))
    ends.add(("alice", "a"), End(until=10, reason="disks"))
    ends.add(("bob", "a"), End(until=20))
    ends.add(("alice", "a"), End(until=30, reason="noise"))
    assert [name for name, _ in ends] == [("bob", "a"), ("alice", "a")]
    ends.expire(20)
    assert ends.get(("bob", "a")) is None
    assert ends.get(("alice", "a")) == End(until=30, reason="noise")
    ends.remove(("alice", "a"))
    assert told == [1, 2, 2, 1, 0]
    # Nothing has changed, and nobody is told.
    ends.remove(("alice", "a"))
    ends.expire(100)
    assert told == [1, 2, 2, 1, 0]


def test_the_oldest_give_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_ENDS", 2)
    ends = Ends()
    for name in "abc":
        ends.add((name, ""), End(until=1))
    assert [user for (user, _), _ in ends] == ["b", "c"]
