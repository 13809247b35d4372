"""The rate of log lines: of each kind and account so many a minute; what is beyond that is counted and told."""

from __future__ import annotations

import math
from collections import OrderedDict

import attrs

from conductor_trio.limits.constants import LOG_RATE_INTERVAL, MAX_LOG_ACCOUNTS, MAX_LOG_LINES

#: Under which lines are counted whose accounts are too many to be told apart.
OTHERS = "others"


@attrs.frozen
class LineKind:
    """What a line tells, and who has caused it: the name of a field and its value, nothing where there is none."""

    event: str
    account: tuple[str, object] | None = None


@attrs.define
class _Window:
    began: float
    lines: int = 0
    withheld: int = 0


class LineRate:
    """Counts lines in windows of `LOG_RATE_INTERVAL`, which begin with the first of a kind and account."""

    def __init__(self) -> None:
        self._windows: OrderedDict[LineKind, _Window] = OrderedDict()  # in the order of their beginnings

    def admit(self, kind: LineKind, now: float) -> bool:
        """Whether one more such line may be written at the time `now` (seconds)."""
        window = self._windows.get(kind)
        if window is None and len(self._windows) >= MAX_LOG_ACCOUNTS:
            kind = attrs.evolve(kind, account=("account", OTHERS))
            window = self._windows.get(kind)
        if window is None:
            window = self._windows[kind] = _Window(now)
        if window.lines < MAX_LOG_LINES:
            window.lines += 1
            return True
        window.withheld += 1
        return False

    def take_due(self, now: float) -> list[tuple[LineKind, int]]:
        """Forget the windows that are over, and return of which lines more were withheld in them, and how many."""
        due = []
        while self.due_at <= now and self._windows:
            kind, window = self._windows.popitem(last=False)
            if window.withheld:
                due.append((kind, window.withheld))
        return due

    @property
    def due_at(self) -> float:
        """When the first of the windows is over; infinity where there is none."""
        if not self._windows:
            return math.inf
        return next(iter(self._windows.values())).began + LOG_RATE_INTERVAL

    def __len__(self) -> int:
        return len(self._windows)
