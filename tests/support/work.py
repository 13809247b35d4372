"""Work, counted: how many calls a step makes, whatever the machine and its load.

Tests that count are skipped on PyPy: much of what is one call of CPython's library is many there, each cheaper.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator, Sequence
from types import FrameType

import pytest
import trio

from conductor_trio.interpreter import IS_PYPY

#: Calls that one step of the event loop may make at most: at 0.05 to 0.1 µs each, 2 to 4 ms.
MAX_STEP_CALLS = 40_000


def _require_cpython() -> None:
    if IS_PYPY:
        pytest.skip("counts the calls that CPython makes")


def count_calls(work: Callable[[], object]) -> int:
    """Return how many functions `work` calls, those written in C among them."""
    _require_cpython()
    count = 0

    def note(frame: FrameType, event: str, argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count


class StepWatch(trio.abc.Instrument):
    """Counts the calls of each step of the tasks whose names hold one of `of`; keeps what the longest one made."""

    def __init__(self, of: Sequence[str]) -> None:
        self._of = of
        self._count = 0
        self.longest = 0
        self.steps = 0

    def _note(self, frame: FrameType, event: str, argument: object) -> None:
        self._count += event in ("call", "c_call")

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        """Begin to count (called by Trio)."""
        self._count = 0
        if any(name in task.name for name in self._of):
            sys.setprofile(self._note)

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        """Make an end of it (called by Trio)."""
        sys.setprofile(None)
        if self._count:
            self.steps += 1
            self.longest = max(self.longest, self._count)


class TurnWatch(trio.abc.Instrument):
    """Counts the steps of the tasks whose names hold one of `of`; keeps how many the fullest turn had."""

    def __init__(self, of: Sequence[str]) -> None:
        self._of = of
        self._count = 0
        self.most = 0
        self.turns = 0  #: that had any

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        """Count it (called by Trio)."""
        self._count += any(name in task.name for name in self._of)

    def before_io_wait(self, timeout: float) -> None:
        """Make an end of a turn (called by Trio)."""
        self.turns += self._count > 0
        self.most = max(self.most, self._count)
        self._count = 0


@contextlib.contextmanager
def watch_turns(*of: str) -> Iterator[TurnWatch]:
    """Watch how many steps of such tasks each turn has, within."""
    watch = TurnWatch(of)
    trio.lowlevel.add_instrument(watch)
    try:
        yield watch
    finally:
        trio.lowlevel.remove_instrument(watch)


@contextlib.contextmanager
def watch_steps(*of: str) -> Iterator[StepWatch]:
    """Watch all steps of such tasks within."""
    _require_cpython()
    watch = StepWatch(of)
    trio.lowlevel.add_instrument(watch)
    try:
        yield watch
    finally:
        trio.lowlevel.remove_instrument(watch)
