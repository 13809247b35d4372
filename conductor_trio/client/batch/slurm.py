"""Slurm: its commands, and what they say. Sans-IO."""

from __future__ import annotations

import re
from datetime import datetime

from conductor_trio.client.batch.request import JobRequest, format_clock
from conductor_trio.client.batch.state import GONE, JobState, Outcome, Phase, Place
from conductor_trio.limits.constants import JOB_END_NOTICE, MIN_NOTICED_JOB

_ID = re.compile(r"([0-9]+)(?:;.*)?")
_FIELD = re.compile(r"(?:^|\s)([A-Z][A-Za-z/:&]*)=(.*?)(?=\s+[A-Z][A-Za-z/:&]*=|\s*$)", re.DOTALL)

_QUEUED = {"PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "RESV_DEL_HOLD", "SPECIAL_EXIT"}
_OUTCOMES = {
    "COMPLETED": Outcome.WELL,
    "CANCELLED": Outcome.CANCELLED,
    "TIMEOUT": Outcome.TIME_UP,
    "DEADLINE": Outcome.TIME_UP,
    "FAILED": Outcome.FAILED,
    "BOOT_FAIL": Outcome.FAILED,
    "NODE_FAIL": Outcome.FAILED,
    "OUT_OF_MEMORY": Outcome.FAILED,
    "PREEMPTED": Outcome.FAILED,
    "REVOKED": Outcome.FAILED,
}


class Slurm:
    """A Slurm cluster."""

    name = "slurm"
    title = "Slurm"
    program = "sbatch"
    #: Times in one form, whatever the user likes.
    environment = {"SLURM_TIME_FORMAT": "standard"}  # noqa: RUF012 - read, never written

    def format_submit(self, request: JobRequest) -> list[str]:
        """Return the command that hands a job in."""
        asked = request.resources
        command = [
            "sbatch",
            "--parsable",
            f"--job-name={request.name}",
            # What Slurm itself has to say goes there, too; after a requeue behind what was there.
            f"--output={request.log.replace('%', '%%')}",
            "--open-mode=append",
            f"--chdir={request.cwd}",
            "--nodes=1",
            "--ntasks=1",
        ]
        if asked.seconds is not None:
            command.append(f"--time={format_clock(asked.seconds)}")
        if asked.seconds is None or asked.seconds >= MIN_NOTICED_JOB:
            # To the client alone, before Slurm signals all processes at once: what runs is ended in order.
            command.append(f"--signal=B:TERM@{JOB_END_NOTICE}")
        for option, value in (
            ("gpus", asked.gpus),
            ("cpus-per-task", asked.cpus),
            ("mem", asked.memory),
            ("partition", asked.partition),
            ("account", asked.account),
        ):
            if value is not None:
                command.append(f"--{option}={value}")
        return [*command, *asked.options, request.script]

    def parse_submitted(self, said: str) -> str | None:
        """Return the job's id in what sbatch says."""
        match = _ID.fullmatch(said.strip().rpartition("\n")[2])
        return match[1] if match else None

    def format_ask(self, job: str) -> list[list[str]]:
        """Return the commands that ask for a job's state, the next where the one before says nothing."""
        return [["scontrol", "--oneliner", "show", "job", job]]

    def parse_state(self, said: str, errors: str) -> JobState | None:
        """Return a job's state, None where nothing was told."""
        # The first of a name: the paths at the end are the user's.
        fields = dict(reversed(_FIELD.findall(said.strip().partition("\n")[0])))
        word = fields.get("JobState", "")
        if not word:
            return GONE if "Invalid job id" in errors else None
        outcome = _OUTCOMES.get(word)
        phase = Phase.ENDED if outcome else Phase.QUEUED if word in _QUEUED else Phase.RUNNING
        reason = _known(fields.get("Reason", ""))
        return JobState(
            phase=phase,
            word=word,
            outcome=outcome,
            reason=reason,
            start=_parse_time(fields.get("StartTime", "")),
            end=_parse_time(fields.get("EndTime", "")),
            node=_known(fields.get("NodeList", "")),
            status=_parse_status(fields.get("ExitCode", "")),
            restarts=int(number) if (number := fields.get("Restarts", "0")).isdecimal() else 0,
            queue=_known(fields.get("Partition", "")),
        )

    def format_queue(self, state: JobState) -> list[str]:
        """Return the command that lists the jobs that wait, those first that come first."""
        which = [f"--partition={state.queue}"] if state.queue else []
        return ["squeue", "--noheader", "--states=PENDING", "--sort=-p,i", "--format=%A", *which]

    def parse_place(self, said: str, job: str, _queue: str) -> Place | None:
        """Return the place of a job in that list."""
        waiting = said.split()
        return Place(number=waiting.index(job) + 1, count=len(waiting)) if job in waiting else None

    def format_cancel(self, job: str) -> list[str]:
        """Return the command that ends a job, or takes it out of the queue."""
        return ["scancel", job]


def _known(text: str) -> str:
    return "" if text in ("(null)", "None", "N/A", "Unknown") else text


def _parse_time(text: str) -> float | None:
    try:
        return datetime.fromisoformat(text).timestamp()  # local, as Slurm tells it
    except ValueError:
        return None


def _parse_status(text: str) -> int | None:
    status, _, number = text.partition(":")
    if not (status.isdecimal() and number.isdecimal()):
        return None
    return 128 + int(number) if int(number) else int(status)
