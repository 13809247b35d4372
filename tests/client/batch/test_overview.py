"""What has become of jobs, for `ls` and `stop`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from conductor_trio.client.batch.overview import ask_jobs, dequeue
from conductor_trio.client.batch.records import Record, load, save


@pytest.fixture
def jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two jobs, by whose ids Slurm's programs find what they say."""
    scripts = (("scontrol", f'cat {tmp_path}/"$4"'), ("scancel", f'echo "JobState=CANCELLED" >{tmp_path}/"$1"'))
    for name, script in scripts:
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    for number, key in (("17", "lab"), ("18", "other")):
        (directory := tmp_path / "jobs" / key).mkdir(parents=True)
        save(
            Record(
                directory=str(directory),
                key=key,
                scheduler="slurm",
                job=number,
                server="gw",
                command=("x",),
                submitted=float(number),
            )
        )
    return tmp_path / "jobs"


async def test_those_that_go_on_are_told_and_the_end_of_others_is_noted(jobs: Path) -> None:
    (jobs.parent / "17").write_text("JobState=PENDING Reason=Priority\n")
    (jobs.parent / "18").write_text("JobState=TIMEOUT\n")
    [job] = await ask_jobs(str(jobs))
    assert (job.record.key, job.session_state) == ("lab", "queued")
    assert job.description == "Slurm job 17; `submit --attach lab` shows its link and log"
    assert json.loads(json.dumps(job.told)) == {
        "scheduler": "slurm",
        "id": "17",
        "state": "PENDING",
        "link": str(jobs / "lab" / "link"),
        "log": str(jobs / "lab" / "log"),
    }
    other = load(str(jobs), "other")
    assert other is not None
    assert other.ended == "TIMEOUT"


async def test_where_there_is_no_batch_system_it_is_not_known(jobs: Path) -> None:
    assert [job.session_state for job in await ask_jobs(str(jobs))] == ["unknown", "unknown"]
    (jobs.parent / "17").write_text("JobState=RUNNING\n")
    assert [job.session_state for job in await ask_jobs(str(jobs))] == ["starting", "unknown"]


async def test_one_that_waits_is_taken_out_of_the_queue(jobs: Path) -> None:
    (jobs.parent / "17").write_text("JobState=PENDING\n")
    (jobs.parent / "18").write_text("JobState=RUNNING\n")
    assert await dequeue(str(jobs), "lab")
    assert "CANCELLED" in (jobs.parent / "17").read_text()
    assert not await dequeue(str(jobs), "lab")
    assert not await dequeue(str(jobs), "other")
    assert not await dequeue(str(jobs), "unheard-of")
