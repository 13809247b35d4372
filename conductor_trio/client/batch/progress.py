"""The progress of a batch job in words: news that stays, and one status line. Sans-IO; times are Unix times."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

from conductor_trio.client.batch.state import JobState, Outcome, Phase, Place
from conductor_trio.client.display.painter import Item, Link, Mark, Notice, Status
from conductor_trio.commandline.quantities import format_duration

_REASONS = {
    "Priority": "others come first",
    "Resources": "nothing that is free is enough",
    "BeginTime": "it is to begin later",
    "Dependency": "it waits for another job",
    "JobHeldUser": "it is held: scontrol release",
    "JobHeldAdmin": "your administrator holds it",
    "Licenses": "a licence is not free",
    "PartitionTimeLimit": "this partition allows less time: it will never start; give a smaller --time",
    "PartitionNodeLimit": "this partition has less than is asked for: it will never start",
    "PartitionDown": "the partition is down",
    "PartitionInactive": "the partition takes no jobs",
    "ReqNodeNotAvail": "the nodes that it may use are not available",
    "BadConstraints": "no node is as it is asked for: it will never start",
    "InvalidAccount": "the account is not valid: give another --account",
    "InvalidQOS": "the quality of service is not valid",
}


class JobProgress:
    """What has been told of a job: takes what the batch system says in, gives news, and at any time the status."""

    def __init__(self, *, title: str, job: str, key: str, submitted: float, clock: Callable[[float], str]) -> None:
        self._name = f"{title} job {job}"
        self._key = key
        self._submitted = submitted
        self._clock = clock
        self._state: JobState | None = None
        self._place: Place | None = None
        self._url: str | None = None
        self._told: tuple[str, Place | None] | None = None  # of the wait: why, and at which place

    @property
    def state(self) -> JobState | None:
        """The last that the batch system has said."""
        return self._state

    def begin(self) -> list[Item]:
        """Return the news before anything has happened."""
        return [Notice(mark=Mark.STEP, text=f"{self._name}, whose session is {self._key}; Ctrl-C leaves it alone")]

    def receive(self, state: JobState, place: Place | None, now: float) -> list[Item]:
        """Take an answer of the batch system in, and return the news in it."""
        former, self._state, self._place = self._state, state, place
        match state.phase:
            case Phase.QUEUED:
                return self._wait(former, now)
            case Phase.RUNNING:
                if former is not None and former.phase is Phase.RUNNING and former.restarts == state.restarts:
                    return []
                self._told = None
                where = f" on {state.node}" if state.node else ""
                return [Notice(mark=Mark.DONE, text=f"It runs{where}, {self._waited(state, now)}")]
            case Phase.ENDED:
                return [self._end(state)]

    def note_link(self, url: str | None) -> list[Item]:
        """Take in that visitors can use it, or no longer, and return the link where it is new."""
        known, self._url = self._url, url
        return [Link(url=url)] if url is not None and url != known else []

    def status(self, now: float) -> Status | None:
        """The status line; None once the job has ended."""
        state = self._state
        if state is None:
            return Status(mark=Mark.WAIT, parts=("asking for the job",))
        if state.phase is Phase.ENDED:
            return None
        if state.phase is Phase.QUEUED:
            waited = f"queued for {format_duration(now - self._submitted)}"
            return Status(mark=Mark.WAIT, parts=(waited, *self._waiting(state, now), "Ctrl-C leaves it alone"))
        left = (f"job ends in {format_duration(state.end - now)}",) if state.end and state.end > now else ()
        if self._url is None:
            return Status(mark=Mark.WAIT, parts=("waiting for the application", *left, "Ctrl-C leaves it alone"))
        host = urlsplit(self._url).netloc
        return Status(mark=Mark.LIVE, parts=(host, *left, "Ctrl-C leaves it alone"), url=self._url)

    def _waiting(self, state: JobState, now: float) -> tuple[str, ...]:
        """Return what is known of the wait."""
        parts = []
        if self._place is not None:
            parts.append(f"{self._place.number} of {self._place.count} in the queue")
        if state.start is not None and state.start > now:
            parts.append(f"expected to start at {self._clock(state.start)}")
        if state.reason:
            word = state.reason.split(",")[0]
            meaning = _REASONS.get(word)
            parts.append(f"{state.reason}: {meaning}" if meaning else state.reason)
        return tuple(parts)

    def _wait(self, former: JobState | None, now: float) -> list[Item]:
        assert self._state is not None
        again = former is not None and former.phase is Phase.RUNNING
        if not again and not self._is_news(self._state):
            return []
        self._told = (self._state.reason, self._place)
        text = ", ".join(self._waiting(self._state, now))
        if again:
            head = "It is queued again; address and token stay the same"
            return [Notice(mark=Mark.WARNING, text=f"{head}{': ' if text else ''}{text}")]
        return [Notice(mark=Mark.STEP, text=f"Queued{': ' if text else ''}{text}")]

    def _is_news(self, state: JobState) -> bool:
        """Whether it waits for something else now, or half of those before it have gone; the status tells all."""
        if self._told is None:
            return True
        reason, place = self._told
        if state.reason != reason or (place is None) != (self._place is None):
            return True
        return place is not None and self._place is not None and self._place.number <= place.number / 2

    def _waited(self, state: JobState, now: float) -> str:
        return f"after {format_duration((state.start or now) - self._submitted)} in the queue"

    def _end(self, state: JobState) -> Notice:
        why = f" ({state.reason})" if state.reason else ""
        match state.outcome:
            case Outcome.WELL:
                return Notice(mark=Mark.DONE, text="The job has ended")
            case Outcome.CANCELLED:
                return Notice(mark=Mark.STEP, text=f"The job was cancelled{why}")
            case Outcome.TIME_UP:
                return Notice(mark=Mark.WARNING, text=f"The job's time is up{why}; give a larger --time")
            case Outcome.FAILED:
                status = f" with status {state.status}" if state.status else ""
                return Notice(mark=Mark.FAILED, text=f"The job has failed{status}: {state.word}{why}")
            case _:
                return Notice(
                    mark=Mark.STEP, text="The job is over; the batch system no longer knows how it ended"
                )
