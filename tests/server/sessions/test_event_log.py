"""A session's last events: the latest last, repetitions counted, and never more than so many."""

from __future__ import annotations

from conductor_trio.limits.constants import MAX_SESSION_EVENTS, MAX_SESSION_FAILURES
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


def test_each_failure_has_one_entry_which_is_as_late_as_the_last_of_its_kind() -> None:
    log = EventLog()
    log.note("The link is there")
    for failure, where in (("lost", "GET /a"), ("garbled", "GET /b"), ("lost", "POST /c"), ("lost", "GET /d")):
        log.note_failure(failure, where)
    log.note("The link was lost")
    assert told(log) == [
        ("The link is there", 1),
        ("garbled; last for GET /b", 1),
        ("lost; last for GET /d", 3),
        ("The link was lost", 1),
    ]


def test_an_application_that_always_fails_pushes_nothing_else_out() -> None:
    """Whatever it thinks of."""
    log = EventLog()
    log.note("The link is there")
    for number in range(10 * MAX_SESSION_EVENTS):
        log.note_failure(f"failure {number}", "GET /")
        log.note_failure("the usual one", f"GET /{number}")
    assert told(log)[0] == ("The link is there", 1)
    assert len(told(log)) == 1 + MAX_SESSION_FAILURES
    assert told(log)[-1] == (f"the usual one; last for GET /{number}", 10 * MAX_SESSION_EVENTS)


def test_others_than_the_owner_do_not_see_what_was_asked_for() -> None:
    log = EventLog()
    log.note_failure("lost", "GET /secret.ipynb")
    log.note("The link is there")
    assert [entry["text"] for entry in log.describe(for_owner=False)] == ["The link is there"]
    assert all(entry.keys() == {"text", "at", "count"} for entry in log.describe())
