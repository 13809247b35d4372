"""The batch system: which one is here, and what it says to our questions."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from typing import Protocol

import attrs
import trio

from conductor_trio.client.batch.pbs import Pbs
from conductor_trio.client.batch.request import JobRequest
from conductor_trio.client.batch.slurm import Slurm
from conductor_trio.client.batch.state import JobState, Phase, Place
from conductor_trio.errors import ConfigError, StartError
from conductor_trio.limits.constants import JOB_KILL_TIMEOUT, JOB_TIMEOUT


class Scheduler(Protocol):
    """A batch system in words: its commands, and what they say."""

    @property
    def name(self) -> str:
        """What users call it by."""

    @property
    def title(self) -> str:
        """Its name."""

    @property
    def program(self) -> str:
        """What hands jobs in."""

    @property
    def environment(self) -> Mapping[str, str]:
        """What its commands are to have in their environment."""

    def format_submit(self, request: JobRequest) -> list[str]:
        """Return the command that hands a job in."""

    def parse_submitted(self, said: str) -> str | None:
        """Return the job's id in what that says."""

    def format_ask(self, job: str) -> list[list[str]]:
        """Return the commands that ask for a job's state, the next where the one before says nothing."""

    def parse_state(self, said: str, errors: str) -> JobState | None:
        """Return a job's state, None where nothing was told."""

    def format_queue(self, state: JobState) -> list[str]:
        """Return the command that lists the jobs that wait, those first that come first."""

    def parse_place(self, said: str, job: str, queue: str) -> Place | None:
        """Return the place of a job in that list."""

    def format_cancel(self, job: str) -> list[str]:
        """Return the command that ends a job, or takes it out of the queue."""


SCHEDULERS: dict[str, Scheduler] = {"slurm": Slurm(), "pbs": Pbs()}


def find_scheduler(name: str | None, path: str | None = None) -> Scheduler:
    """Return the batch system of that name, or the one that is here; raises `ConfigError`."""
    known = list(SCHEDULERS.values()) if name is None else [SCHEDULERS[name]]
    here = [one for one in known if shutil.which(one.program, path=path)]
    if not here:
        programs = " and no ".join(one.program for one in known)
        raise ConfigError(f"there is no {programs} here", advice="submit from a login node of your cluster")
    if len(here) > 1:
        raise ConfigError("both Slurm and PBS are here", advice="say which by --scheduler")
    return here[0]


@attrs.frozen(kw_only=True)
class Said:
    """What a program said, and its status."""

    status: int
    output: str
    errors: str

    @property
    def reason(self) -> str:
        """Its complaint: the last lines of it, as one."""
        said = [line.strip() for line in self.errors.splitlines() if line.strip()]
        return "; ".join(said[-3:]) or "it does not say why"


async def call(scheduler: Scheduler, command: Sequence[str]) -> Said:
    """Run a command of a batch system, which must not hang; raises `StartError` where it is not there."""
    try:
        done = await trio.run_process(
            ["timeout", f"--kill-after={JOB_KILL_TIMEOUT}", str(JOB_TIMEOUT), *command],
            stdin=subprocess.DEVNULL,
            capture_stdout=True,
            capture_stderr=True,
            check=False,
            env={**os.environ, **scheduler.environment},
            start_new_session=True,  # out of reach of the terminal's Ctrl-C
        )
    except OSError as error:
        raise StartError(f"cannot run {command[0]}: {error.strerror}") from error
    return Said(
        status=done.returncode,
        output=done.stdout.decode("utf-8", "replace"),
        errors=done.stderr.decode("utf-8", "replace"),
    )


async def submit(scheduler: Scheduler, request: JobRequest) -> str:
    """Hand a job in and return its id; raises `StartError` with what the batch system says."""
    with trio.CancelScope(shield=True, deadline=trio.current_time() + 2 * JOB_TIMEOUT):
        said = await call(scheduler, scheduler.format_submit(request))
    job = scheduler.parse_submitted(said.output)
    if said.status != 0 or job is None:
        raise StartError(
            f"{scheduler.title} does not take the job: {said.reason}",
            advice="its own options stand behind a first --, as in `-- --constraint=a100 -- jupyter lab`",
        )
    return job


async def ask_state(scheduler: Scheduler, job: str) -> JobState | None:
    """Return a job's state, None where the batch system does not tell it now."""
    state = None
    for command in scheduler.format_ask(job):
        said = await call(scheduler, command)
        state = scheduler.parse_state(said.output, said.errors)
        if state is not None and state.word:
            break
    return state


async def ask_place(scheduler: Scheduler, job: str, state: JobState) -> Place | None:
    """Return the place of a job that waits, where the batch system shows those of others."""
    if state.phase is not Phase.QUEUED:
        return None
    said = await call(scheduler, scheduler.format_queue(state))
    return scheduler.parse_place(said.output, job, state.queue)


async def cancel(scheduler: Scheduler, job: str) -> None:
    """End a job, or take it out of the queue; raises `StartError`."""
    said = await call(scheduler, scheduler.format_cancel(job))
    if said.status != 0:
        raise StartError(f"{scheduler.title} does not end the job {job}: {said.reason}")
