"""The progress of a job in words."""

from __future__ import annotations

import pytest

from conductor_trio.client.batch.progress import JobProgress
from conductor_trio.client.batch.state import GONE, JobState, Outcome, Phase, Place
from conductor_trio.client.display.painter import Item, Link, Mark, Notice

URL = "https://lab-alice.example.org/_conductor/auth/s3cret"
RUNNING = JobState(phase=Phase.RUNNING, word="RUNNING", node="node-17", start=1300.0, end=8500.0)


@pytest.fixture
def progress() -> JobProgress:
    return JobProgress(title="Slurm", job="17", key="lab", submitted=1000.0, clock=lambda when: f"<{when:.0f}>")


def queued(reason: str = "Priority", start: float | None = None) -> JobState:
    return JobState(phase=Phase.QUEUED, word="PENDING", reason=reason, start=start)


def texts(items: list[Item]) -> list[str]:
    return [item.text if isinstance(item, Notice) else item.url for item in items]


def parts(progress: JobProgress, now: float) -> tuple[str, ...]:
    status = progress.status(now)
    return () if status is None else status.parts


def test_the_wait_is_told_when_it_changes(progress: JobProgress) -> None:
    assert texts(progress.begin()) == ["Slurm job 17, whose session is lab; Ctrl-C leaves it alone"]
    assert parts(progress, 1000.0) == ("asking for the job",)
    place = Place(number=3, count=12)
    said = "3 of 12 in the queue, expected to start at <2000>, Priority: others come first"
    assert texts(progress.receive(queued(start=2000.0), place, 1010.0)) == [f"Queued: {said}"]
    assert progress.receive(queued(start=2000.0), place, 1020.0) == []
    assert progress.receive(queued(start=2100.0), Place(number=2, count=13), 1020.0) == []
    [ahead] = texts(progress.receive(queued(start=2000.0), Place(number=1, count=9), 1020.0))
    assert ahead.startswith("Queued: 1 of 9 in the queue")
    progress.receive(queued(start=2000.0), place, 1020.0)
    assert parts(progress, 1060.0) == ("queued for 1 min", *said.split(", "), "Ctrl-C leaves it alone")
    assert texts(progress.receive(queued("Unheard,of"), None, 1100.0)) == ["Queued: Unheard,of"]
    assert texts(progress.receive(queued("PartitionTimeLimit"), None, 1100.0)) == [
        "Queued: PartitionTimeLimit: this partition allows less time: it will never start; give a smaller --time"
    ]


def test_it_runs_and_is_live(progress: JobProgress) -> None:
    assert texts(progress.receive(RUNNING, None, 1300.0)) == ["It runs on node-17, after 5 min in the queue"]
    assert progress.receive(RUNNING, None, 1301.0) == []
    assert parts(progress, 1300.0)[:2] == ("waiting for the application", "job ends in 2 h 0 min")
    assert progress.note_link(URL) == [Link(url=URL)]
    assert progress.note_link(URL) == []
    status = progress.status(1300.0)
    assert status is not None
    assert (status.mark, status.parts[0], status.url) == (Mark.LIVE, "lab-alice.example.org", URL)


def test_a_requeue_is_told(progress: JobProgress) -> None:
    progress.receive(RUNNING, None, 1300.0)
    assert texts(progress.receive(queued("BeginTime"), None, 1400.0)) == [
        "It is queued again; address and token stay the same: BeginTime: it is to begin later"
    ]
    again = JobState(phase=Phase.RUNNING, word="RUNNING", restarts=1)
    assert texts(progress.receive(again, None, 1500.0)) == ["It runs, after 8 min in the queue"]


def test_a_requeue_between_two_looks_is_told(progress: JobProgress) -> None:
    progress.receive(RUNNING, None, 1300.0)
    again = JobState(phase=Phase.RUNNING, word="RUNNING", restarts=1, node="node-2")
    assert texts(progress.receive(again, None, 1500.0)) == ["It runs on node-2, after 8 min in the queue"]


@pytest.mark.parametrize(
    ("outcome", "reason", "mark", "text"),
    [
        (Outcome.WELL, "", Mark.DONE, "The job has ended"),
        (Outcome.CANCELLED, "", Mark.STEP, "The job was cancelled"),
        (Outcome.TIME_UP, "TimeLimit", Mark.WARNING, "The job's time is up (TimeLimit); give a larger --time"),
        (Outcome.FAILED, "NonZeroExitCode", Mark.FAILED, "has failed with status 7: WORD (NonZeroExitCode)"),
    ],
)
def test_its_end_is_told(progress: JobProgress, outcome: Outcome, reason: str, mark: Mark, text: str) -> None:
    state = JobState(phase=Phase.ENDED, word="WORD", outcome=outcome, reason=reason, status=7)
    [item] = progress.receive(state, None, 2000.0)
    assert isinstance(item, Notice)
    assert item.mark is mark
    assert text in item.text
    assert progress.status(2000.0) is None


def test_what_the_batch_system_has_forgotten_is_over(progress: JobProgress) -> None:
    assert "no longer knows how it ended" in texts(progress.receive(GONE, None, 2000.0))[0]
