"""The ends of sessions that the operator has ordered and that are not done with, for whoever comes back."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import attrs

from conductor_trio.limits.constants import MAX_ENDS

#: A session's user and the hash of its owner's token, which stay from link to link and from server to server.
SessionName = tuple[str, str]


@attrs.frozen(kw_only=True)
class End:
    """A session is to end, which its client hears whenever it comes, until then (Unix time)."""

    until: float
    reason: str = ""


class Ends:
    """All of them, the oldest of which give way when they are too many."""

    def __init__(self) -> None:
        self._ends: dict[SessionName, End] = {}
        self._subscribers: list[Callable[[], None]] = []

    def __len__(self) -> int:
        return len(self._ends)

    def __iter__(self) -> Iterator[tuple[SessionName, End]]:
        return iter(self._ends.items())

    def subscribe(self, subscriber: Callable[[], None]) -> None:
        """Have `subscriber` called after every change from now on."""
        self._subscribers.append(subscriber)

    def add(self, name: SessionName, end: End) -> None:
        """Have a session end, in the place of what was ordered of it before."""
        self._ends.pop(name, None)
        self._ends[name] = end
        while len(self._ends) > MAX_ENDS:
            del self._ends[next(iter(self._ends))]
        self._publish()

    def get(self, name: SessionName) -> End | None:
        """Return what a session's client is to hear; None where it may go on."""
        return self._ends.get(name)

    def remove(self, name: SessionName) -> None:
        """Have a session's next client be as any other."""
        if self._ends.pop(name, None) is not None:
            self._publish()

    def expire(self, now: float) -> None:
        """Forget what is over by now (Unix time)."""
        over = [name for name, end in self._ends.items() if end.until <= now]
        for name in over:
            del self._ends[name]
        if over:
            self._publish()

    def _publish(self) -> None:
        for subscriber in self._subscribers:
            subscriber()
