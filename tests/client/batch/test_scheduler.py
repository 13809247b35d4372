"""Which batch system is here, and what is made of programs that fail."""

from __future__ import annotations

from pathlib import Path

import pytest

from conductor_trio.client.batch.request import JobRequest, Resources
from conductor_trio.client.batch.scheduler import SCHEDULERS, ask_state, call, cancel, find_scheduler, submit
from conductor_trio.errors import ConfigError, StartError

SLURM = SCHEDULERS["slurm"]
REQUEST = JobRequest(name="lab", resources=Resources(), script="/s", log="/l", cwd="/")


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return tmp_path


def put(directory: Path, name: str, script: str) -> None:
    (directory / name).write_text(f"#!/bin/sh\n{script}\n")
    (directory / name).chmod(0o755)


def test_the_one_that_is_here_is_found(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no sbatch and no qsub here; submit from a login node"):
        find_scheduler(None, str(tmp_path))
    put(tmp_path, "qsub", "")
    assert find_scheduler(None, str(tmp_path)).name == "pbs"
    with pytest.raises(ConfigError, match="there is no sbatch here"):
        find_scheduler("slurm", str(tmp_path))
    put(tmp_path, "sbatch", "")
    with pytest.raises(ConfigError, match="both Slurm and PBS are here; say which by --scheduler"):
        find_scheduler(None, str(tmp_path))
    assert find_scheduler("slurm", str(tmp_path)).name == "slurm"


async def test_what_it_says_against_a_job_is_told(programs: Path) -> None:
    put(programs, "sbatch", "echo 'sbatch: error: no such account' >&2; exit 1")
    with pytest.raises(StartError, match="Slurm does not take the job: sbatch: error: no such account"):
        await submit(SLURM, REQUEST)
    put(programs, "sbatch", "echo a riddle")
    with pytest.raises(StartError, match="it does not say why"):
        await submit(SLURM, REQUEST)
    put(programs, "sbatch", "echo 17")
    assert await submit(SLURM, REQUEST) == "17"


async def test_questions_that_fail_are_no_news(programs: Path) -> None:
    put(programs, "scontrol", "exit 1")
    assert await ask_state(SLURM, "17") is None
    put(
        programs, "scontrol", '[ "$SLURM_TIME_FORMAT" = standard ] && echo "JobId=17 JobState=RUNNING Reason=None"'
    )
    state = await ask_state(SLURM, "17")
    assert state is not None
    assert state.word == "RUNNING"


async def test_an_end_that_is_refused_is_told(programs: Path) -> None:
    put(programs, "scancel", "echo 'scancel: error: Access denied' >&2; exit 1")
    with pytest.raises(StartError, match="Slurm does not end the job 17: scancel: error: Access denied"):
        await cancel(SLURM, "17")


async def test_a_program_that_is_not_there_has_a_status(programs: Path) -> None:
    assert (await call(SLURM, ["no-such-program"])).status == 127
