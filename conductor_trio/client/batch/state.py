"""What becomes of a batch job, as the batch system tells it."""

from __future__ import annotations

import enum

import attrs


class Phase(enum.Enum):
    """Where a job is."""

    QUEUED = "queued"
    RUNNING = "running"
    ENDED = "ended"


class Outcome(enum.Enum):
    """How a job has ended."""

    WELL = "well"
    FAILED = "failed"
    CANCELLED = "cancelled"
    TIME_UP = "time is up"
    UNKNOWN = "unknown"  # the batch system has forgotten it


@attrs.frozen(kw_only=True)
class JobState:
    """One answer of the batch system; times are Unix times. `word` is its own for the state."""

    phase: Phase
    word: str
    outcome: Outcome | None = None  # once ended
    reason: str = ""  # why it waits, or has ended
    start: float | None = None  # when it is expected to start, or has started
    end: float | None = None  # when its time is up
    node: str = ""
    status: int | None = None  # the script's exit status, a signal as a shell tells it
    restarts: int = 0
    queue: str = ""  # partition, or queue


@attrs.frozen(kw_only=True)
class Place:
    """The place of a job among those that wait, from 1."""

    number: int
    count: int


#: What the batch system says of a job that it no longer knows.
GONE = JobState(phase=Phase.ENDED, word="", outcome=Outcome.UNKNOWN)
