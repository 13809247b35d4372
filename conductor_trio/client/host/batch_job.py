"""The batch job in which we run, and how long it has left: Slurm, PBS Pro, OpenPBS, Torque."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import time
from collections.abc import Callable, Mapping

import attrs
import trio

from conductor_trio.limits.constants import JOB_INTERVAL, JOB_KILL_TIMEOUT, JOB_TIMEOUT

_SLURM_LEFT = re.compile(
    r"(?:(?P<days>\d{1,9})-)?(?:(?P<hours>\d{1,9}):)?(?P<minutes>\d{1,9}):(?P<seconds>\d{1,9})"
)
_PBS_LIMIT = re.compile(r"^\s*Resource_List\.walltime = (\S+)$", re.MULTILINE)
_PBS_USED = re.compile(r"^\s*resources_used\.walltime = (\S+)$", re.MULTILINE)


@attrs.frozen(kw_only=True)
class Job:
    """A batch job: when it ends, as far as its environment says, and whom to ask otherwise, or again."""

    name: str
    end: float | None = None  #: seconds since the epoch
    question: tuple[str, ...] = ()
    parse: Callable[[str], float | None] = attrs.field(default=lambda _: None, repr=False)


def find_job(environment: Mapping[str, str]) -> Job | None:
    """Return the batch job that this environment belongs to."""
    if slurm := environment.get("SLURM_JOB_ID"):
        return Job(
            name=f"Slurm job {slurm}",
            end=_parse_number(environment.get("SLURM_JOB_END_TIME")),
            question=("squeue", "--noheader", "--format=%L", f"--jobs={slurm}"),
            parse=parse_slurm_left,
        )
    if pbs := environment.get("PBS_JOBID"):
        return Job(
            name=f"PBS job {pbs}",
            end=_find_pbs_end(environment),
            question=("qstat", "-f", pbs),
            parse=parse_pbs_left,
        )
    return None


def parse_slurm_left(said: str) -> float | None:
    """Return the seconds that ``squeue --format=%L`` says: ``[[days-]hours:]minutes:seconds``, or none."""
    match = _SLURM_LEFT.fullmatch(said.strip())
    if match is None:  # UNLIMITED, INVALID, NOT_SET
        return None
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return float(((days * 24 + hours) * 60 + minutes) * 60 + seconds)


def parse_pbs_left(said: str) -> float | None:
    """Return the seconds that ``qstat -f`` says: the difference of two times."""
    limit, used = _PBS_LIMIT.search(said), _PBS_USED.search(said)
    total = _parse_clock(limit[1]) if limit else None
    passed = _parse_clock(used[1]) if used else 0.0
    return None if total is None or passed is None else max(0.0, total - passed)


async def watch_job(job: Job, tell: Callable[[float], None]) -> None:
    """Tell how many seconds the job has left, now and whenever the batch system has been asked again."""
    if job.end is not None:
        tell(job.end - time.time())
        await trio.sleep(JOB_INTERVAL)
    while True:
        left = job.parse(await ask(job.question))
        if left is None and job.end is not None:
            left = job.end - time.time()  # by the clock as it is now
        if left is not None:
            tell(left)
        await trio.sleep(JOB_INTERVAL)


async def ask(question: tuple[str, ...]) -> str:
    """Return what a program says; nothing where it is not there, fails, or takes too long."""
    with contextlib.suppress(OSError):
        done = await trio.run_process(
            # Whatever hangs there must not: coreutils are on every cluster's nodes.
            ("timeout", f"--kill-after={JOB_KILL_TIMEOUT}", str(JOB_TIMEOUT), *question),
            stdin=subprocess.DEVNULL,
            capture_stdout=True,
            stderr=subprocess.DEVNULL,
            check=False,
            cwd="/",  # whatever has become of ours
            start_new_session=True,  # out of reach of the terminal's Ctrl-C
        )
        return done.stdout.decode("utf-8", "replace")
    return ""


def _find_pbs_end(environment: Mapping[str, str]) -> float | None:
    # Torque gives the limit in seconds; the list of nodes is written when the job starts.
    walltime = _parse_number(environment.get("PBS_WALLTIME"))
    try:
        start = os.stat(environment.get("PBS_NODEFILE", "")).st_mtime
    except OSError:
        return None
    return None if walltime is None else start + walltime


def _parse_number(text: str | None) -> float | None:
    return float(text) if text and re.fullmatch(r"\d{1,15}", text, re.ASCII) else None


def _parse_clock(text: str) -> float | None:
    """Return the seconds of ``hours:minutes:seconds``, or of seconds alone."""
    if not re.fullmatch(r"\d{1,9}(:\d{1,9}){0,2}", text, re.ASCII):
        return None
    seconds = 0
    for part in text.split(":"):
        seconds = seconds * 60 + int(part)
    return float(seconds)
