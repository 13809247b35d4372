"""The uses of the processor by the same people at several processes: each is told how much more they use in all.

::

    process → control process    {"used": {"user/alice": 0.21, …}, "is_contended": true}     in one period
    control process → process    {"weights": {"user/alice": 2.0, …}, "is_contended": true}

Somebody with a weight of two uses twice as much in all as at this process. There their time counts twice: so they
have the share of the host that they would have had with one process. Nobody's weight is more than the number of
processes that they use, and so nobody is kept out of one because of what they do at another.

Where several want something at one process, all measure: what somebody uses alone counts, too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping

import attrs

from conductor_trio.limits.workers import LEAST_FOLDED_USE
from conductor_trio.strict_json import is_number


@attrs.frozen
class Weights:
    """What a process is told."""

    weights: Mapping[str, float] = attrs.field(factory=dict)
    is_contended: bool = False


@attrs.frozen
class Use:
    """What a process has told last."""

    used: Mapping[str, float]
    is_contended: bool


def parse_use(message: object) -> Use:
    """Read what a process has used; raises ValueError."""
    match message:
        case {"used": dict() as used, "is_contended": bool() as is_contended}:
            return Use(parse_numbers(used), is_contended)
    raise ValueError("no use")


def parse_weights(message: object) -> Weights:
    """Read what a process is told; raises ValueError."""
    match message:
        case {"weights": dict() as weights, "is_contended": bool() as is_contended}:
            return Weights(parse_numbers(weights), is_contended)
    raise ValueError("no weights")


def parse_numbers(values: dict[object, object]) -> dict[str, float]:
    """Return numbers by name; raises ValueError for what is none of it."""
    found: dict[str, float] = {}
    for name, value in values.items():
        if not isinstance(name, str) or not is_number(value) or value < 0:
            raise ValueError("no number of a name")
        found[name] = value
    return found


class HostUses:
    """The latest uses of all processes."""

    def __init__(self) -> None:
        self._latest: dict[Hashable, Use] = {}
        self._told: dict[Hashable, Weights] = {}

    def attach(self, process: Hashable) -> None:
        """Tell a process, too, which has used nothing yet."""
        self.note(process, Use({}, is_contended=False))

    def note(self, process: Hashable, use: Use) -> None:
        """Take in what a process has used within its latest period."""
        self._latest[process] = use

    def forget(self, process: Hashable) -> None:
        """A process has ended."""
        self._latest.pop(process, None)
        self._told.pop(process, None)

    def fold(self) -> dict[Hashable, Weights]:
        """Return what each process is to be told; those are left out that have nothing to be told anew."""
        whole: Counter[str] = Counter()
        for use in self._latest.values():
            whole.update(use.used)
        is_contended = any(use.is_contended for use in self._latest.values())
        news = {}
        for process, use in self._latest.items():
            weights = self._weigh(use, whole) if is_contended else {}
            told = Weights(weights, is_contended)
            if is_contended or self._told.get(process, Weights()) != told:
                news[process] = self._told[process] = told
        return news

    def _weigh(self, use: Use, whole: Mapping[str, float]) -> dict[str, float]:
        weights = {}
        for name, used in whole.items():
            here = use.used.get(name, 0.0)
            if used - here >= LEAST_FOLDED_USE:
                processes = sum(name in other.used for other in self._latest.values()) + (name not in use.used)
                weights[name] = used / max(here, used / processes)
        return weights
