"""PBS Pro and OpenPBS: their commands, and what they say. Sans-IO."""

from __future__ import annotations

import re
from datetime import datetime

from conductor_trio.client.batch.request import JobRequest, Resources, format_clock
from conductor_trio.client.batch.state import GONE, JobState, Outcome, Phase, Place
from conductor_trio.limits.constants import MAX_JOB_NAME

_ID = re.compile(r"[0-9]+(\[\])?(\.[\w.-]+)?")
_FIELD = re.compile(r"^ {4}([A-Za-z_.]+) = (.*)$", re.MULTILINE)
_QUEUED = "QHWTU"
_RUNNING = "RESB"
_BY_SIGNAL = 256
_TIME_UP = re.compile(r"walltime .* exceeded|exceeded .*walltime", re.IGNORECASE)
_GONE = re.compile(r"unknown job", re.IGNORECASE)


class Pbs:
    """A cluster with PBS Pro or OpenPBS."""

    name = "pbs"
    title = "PBS"
    program = "qsub"
    environment: dict[str, str] = {}  # noqa: RUF012 - read, never written

    def format_submit(self, request: JobRequest) -> list[str]:
        """Return the command that hands a job in."""
        asked = request.resources
        name = request.name if request.name[:1].isalpha() else f"j{request.name}"
        # The script writes its log by itself: PBS would bring it at the end. -V: our environment, as in Slurm.
        command = ["qsub", "-N", name[:MAX_JOB_NAME], "-j", "oe", "-o", f"{request.log}.pbs", "-V"]
        command += ["-l", _format_chunk(asked)]
        if asked.seconds is not None:
            command += ["-l", f"walltime={format_clock(asked.seconds)}"]
        for option, value in (("-q", asked.partition), ("-A", asked.account)):
            if value is not None:
                command += [option, value]
        return [*command, *asked.options, request.script]

    def parse_submitted(self, said: str) -> str | None:
        """Return the job's id in what qsub says."""
        line = said.strip().rpartition("\n")[2]
        return line if _ID.fullmatch(line) else None

    def format_ask(self, job: str) -> list[list[str]]:
        """Return the commands that ask for a job's state, the next where the one before says nothing.

        The second knows jobs that have ended; in Torque it would be another one.
        """
        return [["qstat", "-f", job], ["qstat", "-x", "-f", job]]

    def parse_state(self, said: str, errors: str) -> JobState | None:
        """Return a job's state, None where nothing was told."""
        fields = dict(_FIELD.findall(re.sub(r"\n\t", "", said)))  # long values go on behind a tab
        word = fields.get("job_state", "")
        if not word:
            return GONE if _GONE.search(errors) else None
        comment = fields.get("comment", "")
        status = _parse_status(fields.get("Exit_status", ""))
        phase = Phase.QUEUED if word in _QUEUED else Phase.RUNNING if word in _RUNNING else Phase.ENDED
        start = fields.get("stime") or fields.get("estimated.start_time") or ""
        return JobState(
            phase=phase,
            word=word,
            outcome=_find_outcome(status, comment, has_run="stime" in fields) if phase is Phase.ENDED else None,
            reason=comment,
            start=_parse_time(start),
            end=_find_end(fields) if phase is Phase.RUNNING else None,
            node=fields.get("exec_host", "").partition("/")[0],
            status=status,
            restarts=max(0, int(count) - 1) if (count := fields.get("run_count", "0")).isdecimal() else 0,
            queue=fields.get("queue", ""),
        )

    def format_queue(self, _state: JobState) -> list[str]:
        """Return the command that lists the jobs that wait, those first that come first."""
        return ["qstat"]

    def parse_place(self, said: str, job: str, queue: str) -> Place | None:
        """Return the place of a job in that list: lines that end with state and queue."""
        rows = [line.split() for line in said.splitlines()]
        waiting = [row[0] for row in rows if len(row) > 3 and row[-2] == "Q" and row[-1] == queue]
        number = next((n for n, one in enumerate(waiting, 1) if job.startswith(one.rstrip("*"))), None)
        return None if number is None else Place(number=number, count=len(waiting))

    def format_cancel(self, job: str) -> list[str]:
        """Return the command that ends a job, or takes it out of the queue."""
        return ["qdel", job]


def _format_chunk(asked: Resources) -> str:
    chunk = "select=1"
    if asked.cpus is not None:
        chunk += f":ncpus={asked.cpus}"
    if asked.gpus is not None:
        chunk += f":ngpus={asked.gpus}"
    if asked.memory is not None:
        chunk += f":mem={asked.memory.lower()}b"
    return chunk


def _find_outcome(status: int | None, comment: str, *, has_run: bool) -> Outcome:
    if _TIME_UP.search(comment):
        return Outcome.TIME_UP
    if status is None:
        return Outcome.UNKNOWN if has_run else Outcome.CANCELLED
    return Outcome.WELL if status == 0 else Outcome.CANCELLED if "terminated" in comment else Outcome.FAILED


def _find_end(fields: dict[str, str]) -> float | None:
    start, limit = _parse_time(fields.get("stime", "")), fields.get("Resource_List.walltime", "")
    if start is None or not re.fullmatch(r"\d{1,6}:\d\d:\d\d", limit):
        return None
    hours, minutes, seconds = map(int, limit.split(":"))
    return start + hours * 3600 + minutes * 60 + seconds


def _parse_time(text: str) -> float | None:
    if text.isdecimal():
        return float(text[:12])
    try:
        return datetime.strptime(text, "%a %b %d %H:%M:%S %Y").timestamp()  # local, as PBS tells it
    except ValueError:
        return None


def _parse_status(text: str) -> int | None:
    """Return a status in a shell's terms; PBS adds 256 to a signal's number; its own failures are below 0."""
    if not re.fullmatch(r"-?[0-9]{1,5}", text):
        return None
    status = int(text)
    return status - _BY_SIGNAL + 128 if status > _BY_SIGNAL else 1 if status < 0 else status
