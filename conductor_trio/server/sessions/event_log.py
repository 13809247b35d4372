"""A session's last events, for its owner's eyes: what the gateway saw, never what the application wrote."""

from __future__ import annotations

import time
from collections import deque

import attrs

from conductor_trio.limits.constants import MAX_SESSION_EVENTS, MAX_SESSION_FAILURES


@attrs.define(eq=False)
class Entry:
    """Something that happened, and how often; `at` is the Unix time of the last."""

    text: str
    at: float
    count: int = 1
    failure: str | None = None  #: which failure it was, if that is what it tells of


class EventLog:
    """Goes with a session from link to link."""

    def __init__(self) -> None:
        self.changes = 0  #: how often something was remembered
        self._entries: deque[Entry] = deque(maxlen=MAX_SESSION_EVENTS)

    def note(self, text: str) -> None:
        """Remember an event, as a sentence without its full stop."""
        self.changes += 1
        if self._entries and self._entries[-1].text == text:
            self._entries[-1].count += 1
            self._entries[-1].at = time.time()
        else:
            self._entries.append(Entry(text, time.time()))

    def note_failure(self, failure: str, where: str) -> None:
        """Remember a failure of the application, and where it was seen last.

        Each has one entry, and there are so many at most: one that always fails pushes nothing else out.
        """
        self.changes += 1
        failures = [entry for entry in self._entries if entry.failure is not None]
        entry = next((entry for entry in failures if entry.failure == failure), None)
        count = 1 if entry is None else entry.count + 1
        if entry is None and len(failures) >= MAX_SESSION_FAILURES:
            entry = failures[0]
        if entry is not None:
            self._entries.remove(entry)
        self._entries.append(Entry(f"{failure}; last for {where}", time.time(), count, failure))

    def describe(self, *, for_owner: bool = True) -> list[dict[str, object]]:
        """Return the events for JSON, the latest last; failures, which tell what was asked for, only to owners."""
        return [
            {"text": entry.text, "at": entry.at, "count": entry.count}
            for entry in self._entries
            if for_owner or entry.failure is None
        ]
