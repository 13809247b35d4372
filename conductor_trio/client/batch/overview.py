"""What has become of the jobs that were handed in and whose end nobody has seen: for `ls` and `stop`."""

from __future__ import annotations

import attrs

from conductor_trio.client.batch.records import Record, load, load_open, save
from conductor_trio.client.batch.scheduler import SCHEDULERS, ask_state, cancel
from conductor_trio.client.batch.state import JobState, Phase
from conductor_trio.errors import ConductorError


@attrs.frozen(kw_only=True)
class Job:
    """A job that goes on, and what the batch system says of it; None where that is not here, or says nothing."""

    record: Record
    state: JobState | None

    @property
    def session_state(self) -> str:
        """The word for a session that the gateway does not know yet."""
        if self.state is None:
            return "unknown"
        return "queued" if self.state.phase is Phase.QUEUED else "starting"

    @property
    def description(self) -> str:
        """Which job it is, and where its link and log are."""
        title = SCHEDULERS[self.record.scheduler].title
        return f"{title} job {self.record.job}; `submit --attach {self.record.key}` shows its link and log"

    @property
    def told(self) -> dict[str, object]:
        """What programs are told of it."""
        return {
            "scheduler": self.record.scheduler,
            "id": self.record.job,
            "state": None if self.state is None else self.state.word,
            "link": self.record.link,
            "log": self.record.log,
        }


async def ask_jobs(jobs: str) -> list[Job]:
    """Return the jobs that go on; the end of the others is noted."""
    found = []
    for record in load_open(jobs):
        job = await _ask(record)
        if job is not None:
            found.append(job)
    return found


async def dequeue(jobs: str, key: str) -> bool:
    """Take the job of that key out of the queue, and return whether it was there; raises `StartError`."""
    record = load(jobs, key)
    if record is None or record.ended is not None:
        return False
    job = await _ask(record)
    if job is None or job.state is None or job.state.phase is not Phase.QUEUED:
        return False
    await cancel(SCHEDULERS[record.scheduler], record.job)
    save(attrs.evolve(record, ended="CANCELLED"))
    return True


async def _ask(record: Record) -> Job | None:
    if record.scheduler not in SCHEDULERS:
        return None
    try:
        state = await ask_state(SCHEDULERS[record.scheduler], record.job)
    except ConductorError:
        state = None
    if state is not None and state.phase is Phase.ENDED:
        save(attrs.evolve(record, ended=state.word or "over"))
        return None
    return Job(record=record, state=state)
