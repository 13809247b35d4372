"""A session's last events, for its owner's eyes: what the gateway saw, never what the application wrote."""

from __future__ import annotations

import time
from collections import deque

import attrs

from conductor_trio.limits.constants import MAX_SESSION_EVENTS


@attrs.define(eq=False)
class Entry:
    """Something that happened, and how often in a row; `at` is the Unix time of the last."""

    text: str
    at: float
    count: int = 1


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

    def describe(self) -> list[dict[str, object]]:
        """Return the events for JSON, the latest last."""
        return [attrs.asdict(entry) for entry in self._entries]
