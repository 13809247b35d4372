"""The last events of the audit log, for those who look at what happens; each is short, and so many are kept."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping

from conductor_trio.limits.constants import MAX_RECENT_EVENTS, MAX_RECENT_TEXT

#: What tells nobody anything who cannot look it up there.
_LEFT_OUT = frozenset({"session", "former", "ssh_process", "by_uid"})


class RecentEvents:
    """What the audit log was told, whether or not it is written."""

    def __init__(self) -> None:
        self.count = 0  #: of all that there were, those that are forgotten among them
        self._events: deque[dict[str, object]] = deque(maxlen=MAX_RECENT_EVENTS)

    def note(self, event: str, at: float, fields: Mapping[str, object]) -> None:
        """Remember an event at its time (Unix time); of its fields what is short, and is something."""
        told = {name: _shorten(value) for name, value in fields.items() if _is_told(name, value)}
        self._events.append({"at": at, "event": event, "fields": told})
        self.count += 1

    def since(self, count: int) -> Iterator[dict[str, object]]:
        """Yield what came after so many, in order."""
        known = max(0, count - (self.count - len(self._events)))
        for index in range(known, len(self._events)):
            yield self._events[index]


def _is_told(name: str, value: object) -> bool:
    return name not in _LEFT_OUT and isinstance(value, str | int | float) and value not in ("", False)


def _shorten(value: object) -> object:
    return value[:MAX_RECENT_TEXT] if isinstance(value, str) else value
