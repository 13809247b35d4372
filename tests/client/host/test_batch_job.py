"""How long a batch job has left, by its environment and by the batch system's word."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
import trio
import trio.testing

from conductor_trio.client.host import batch_job
from conductor_trio.client.host.batch_job import (
    ask,
    find_job,
    parse_pbs_left,
    parse_slurm_left,
    watch_job,
)

QSTAT = """\
Job Id: 17.master
    Job_Name = lab
    resources_used.cput = 00:00:10
    resources_used.walltime = 00:20:30
    Resource_List.ncpus = 4
    Resource_List.walltime = 02:00:00
    Variable_List = PBS_O_HOME=/home/alice
"""


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("1-02:03:04\n", 93784.0),
        ("2:03:04", 7384.0),
        ("12:34", 754.0),
        ("0:00", 0.0),
        ("UNLIMITED", None),
        ("INVALID", None),
        ("NOT_SET", None),
        ("", None),
        ("slurm_load_jobs error: Invalid job id specified", None),
    ],
)
def test_what_squeue_says(said: str, seconds: float | None) -> None:
    assert parse_slurm_left(said) == seconds


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        (QSTAT, 5970.0),
        ("    Resource_List.walltime = 3600\n", 3600.0),  # not yet accounted for
        ("    Resource_List.walltime = 00:01:00\n    resources_used.walltime = 00:01:02\n", 0.0),
        ("    Resource_List.walltime = soon\n", None),
        ("    resources_used.walltime = 00:20:30\n", None),
        ("", None),
    ],
)
def test_what_qstat_says(said: str, seconds: float | None) -> None:
    assert parse_pbs_left(said) == seconds


def test_no_batch_system_no_job() -> None:
    assert find_job({"HOME": "/home/alice", "SLURM_JOB_ID": ""}) is None


def test_slurm_tells_the_end_in_the_environment() -> None:
    job = find_job({"SLURM_JOB_ID": "7", "SLURM_JOB_END_TIME": "1790000000"})
    assert job is not None
    assert (job.name, job.end) == ("Slurm job 7", 1790000000.0)
    assert "--jobs=7" in job.question


@pytest.mark.parametrize("end", ["", "soon", "-1", "9" * 400])
def test_an_end_that_is_no_time_is_asked_for(end: str) -> None:
    job = find_job({"SLURM_JOB_ID": "7", "SLURM_JOB_END_TIME": end})
    assert job is not None
    assert job.end is None


def test_torque_s_limit_counts_from_the_list_of_nodes(tmp_path: Path) -> None:
    nodes = tmp_path / "nodes"
    nodes.touch()
    os.utime(nodes, (1000, 1000))
    environment = {"PBS_JOBID": "17.master", "PBS_WALLTIME": "3600", "PBS_NODEFILE": str(nodes)}
    job = find_job(environment)
    assert job is not None
    assert (job.name, job.end) == ("PBS job 17.master", 4600.0)
    job = find_job({"PBS_JOBID": "17.master", "PBS_WALLTIME": "3600"})
    assert job is not None
    assert job.end is None


@pytest.fixture
def squeue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A squeue that says what the file that is returned says, and fails without it."""
    program, said = tmp_path / "squeue", tmp_path / "said"
    program.write_text(f'#!/bin/sh\n[ "$*" = "--noheader --format=%L --jobs=7" ] && exec cat {said}\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return said


async def test_the_batch_system_is_asked_seldom(squeue: Path, mock_clock: trio.testing.MockClock) -> None:
    squeue.write_text("10:00\n")
    job = find_job({"SLURM_JOB_ID": "7"})
    assert job is not None
    send, receive = trio.open_memory_channel[float](10)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch_job, job, send.send_nowait)
        assert await receive.receive() == 600
        squeue.write_text("1:00:00\n")  # it was given more time
        await trio.testing.wait_all_tasks_blocked()
        mock_clock.jump(500)
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(trio.WouldBlock):
            receive.receive_nowait()
        mock_clock.jump(101)
        assert await receive.receive() == 3600
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    "question", [("no-such-program-here",), ("false",), ("sh", "-c", "echo oops >&2; exit 1")]
)
async def test_a_batch_system_without_an_answer_says_nothing(question: tuple[str, ...]) -> None:
    assert await ask(question) == ""


async def test_a_batch_system_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_job, "JOB_TIMEOUT", 0.05)
    with trio.fail_after(20):
        assert await ask(("sleep", "1000")) == ""


async def test_the_environment_s_word_is_told_at_once() -> None:
    job = find_job({"SLURM_JOB_ID": "7", "SLURM_JOB_END_TIME": str(int(time.time()) + 1000)})
    assert job is not None
    send, receive = trio.open_memory_channel[float](10)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch_job, job, send.send_nowait)
        assert await receive.receive() == pytest.approx(1000, abs=5)
        nursery.cancel_scope.cancel()
