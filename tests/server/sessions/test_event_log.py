"""A session's last events: the latest last, repetitions counted, and never more than so many."""

from __future__ import annotations

from conductor_trio.limits.constants import MAX_SESSION_EVENTS
from conductor_trio.server.sessions.event_log import EventLog


def told(log: EventLog) -> list[tuple[object, object]]:
    """Return the events' texts and how often each came in a row."""
    return [(entry["text"], entry["count"]) for entry in log.describe()]


def test_events_come_in_order_and_a_repetition_is_counted() -> None:
    log = EventLog()
    assert log.describe() == []
    for text in ("The link is there", "A wrong token", "A wrong token", "The link was lost", "A wrong token"):
        log.note(text)
    assert told(log) == [
        ("The link is there", 1),
        ("A wrong token", 2),
        ("The link was lost", 1),
        ("A wrong token", 1),
    ]


def test_the_time_is_that_of_the_last() -> None:
    log = EventLog()
    log.note("A wrong token")
    [first] = log.describe()
    log.note("A wrong token")
    [last] = log.describe()
    assert isinstance(first["at"], float) and isinstance(last["at"], float)
    assert last["at"] >= first["at"]
    assert first["count"] == 1  # what was described stays as it was


def test_the_oldest_are_forgotten() -> None:
    log = EventLog()
    for number in range(MAX_SESSION_EVENTS + 3):
        log.note(f"event {number}")
    assert [text for text, _ in told(log)] == [f"event {n}" for n in range(3, MAX_SESSION_EVENTS + 3)]
    for _ in range(10 * MAX_SESSION_EVENTS):  # a flood of one kind pushes out no more than one
        log.note("A wrong token")
    assert told(log)[0] == ("event 4", 1) and told(log)[-1] == ("A wrong token", 10 * MAX_SESSION_EVENTS)
