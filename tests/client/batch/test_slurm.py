"""Slurm's commands and answers; the real one is in e2e/test_submit."""

from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conductor_trio.client.batch.request import JobRequest, Resources
from conductor_trio.client.batch.slurm import Slurm
from conductor_trio.client.batch.state import GONE, JobState, Outcome, Phase, Place

SLURM = Slurm()

SHOWN = (
    "JobId=7 JobName=lab JobState={state} Reason={reason} Dependency=(null) Requeue=1 Restarts={restarts} "
    "ExitCode={code} RunTime=00:00:03 StartTime={start} EndTime=Unknown Partition=gpu NodeList={node} "
    "Command=/home/me/my job JobState=FAILED\n"
)


def shown(state: str, **fields: object) -> str:
    usual = {"reason": "None", "restarts": 0, "code": "0:0", "start": "Unknown", "node": "(null)"}
    return SHOWN.format(state=state, **usual | fields)


def submit(**resources: object) -> list[str]:
    request = JobRequest(
        name="lab",
        resources=Resources(**resources),  # type: ignore[arg-type]
        script="/s",
        log="/home/100%/log",
        cwd="/w",
    )
    return SLURM.format_submit(request)


def test_what_is_not_asked_for_is_left_to_the_cluster() -> None:
    assert submit() == [
        *("sbatch", "--parsable", "--job-name=lab", "--output=/home/100%%/log", "--open-mode=append"),
        *("--chdir=/w", "--nodes=1", "--ntasks=1", "--signal=B:TERM@60", "/s"),
    ]


def test_resources_and_the_users_own_options_which_win() -> None:
    command = submit(
        seconds=14_400, gpus=2, cpus=8, memory="16G", partition="gpu", account="lab", options=("--gpus=a100:1",)
    )
    assert command[8:] == [
        *("--time=04:00:00", "--signal=B:TERM@60", "--gpus=2", "--cpus-per-task=8", "--mem=16G"),
        *("--partition=gpu", "--account=lab", "--gpus=a100:1", "/s"),
    ]


def test_a_short_job_is_not_signalled_as_soon_as_it_runs() -> None:
    assert "--signal=B:TERM@60" not in submit(seconds=300)


@pytest.mark.parametrize(
    ("said", "job"),
    [("17\n", "17"), ("17;cluster\n", "17"), ("a greeting\n17\n", "17"), ("", None), ("no\n", None)],
)
def test_the_id(said: str, job: str | None) -> None:
    assert SLURM.parse_submitted(said) == job


def test_a_job_that_waits() -> None:
    state = SLURM.parse_state(shown("PENDING", reason="Priority", start="2026-11-28T14:05:00"), "")
    assert state is not None
    assert (state.phase, state.reason, state.queue) == (Phase.QUEUED, "Priority", "gpu")
    assert state.start == datetime(2026, 11, 28, 14, 5).timestamp()
    assert state.end is None


@pytest.mark.parametrize("word", ["RUNNING", "COMPLETING", "SUSPENDED", "SIGNALING"])
def test_a_job_that_runs(word: str) -> None:
    state = SLURM.parse_state(shown(word, node="node-17", restarts=2), "")
    assert state == JobState(phase=Phase.RUNNING, word=word, node="node-17", restarts=2, queue="gpu", status=0)


@pytest.mark.parametrize(
    ("word", "code", "outcome", "status"),
    [
        ("COMPLETED", "0:0", Outcome.WELL, 0),
        ("FAILED", "7:0", Outcome.FAILED, 7),
        ("FAILED", "0:9", Outcome.FAILED, 137),
        ("CANCELLED", "0:15", Outcome.CANCELLED, 143),
        ("TIMEOUT", "0:15", Outcome.TIME_UP, 143),
        ("OUT_OF_MEMORY", "0:125", Outcome.FAILED, 253),
        ("NODE_FAIL", "odd", Outcome.FAILED, None),
    ],
)
def test_a_job_that_has_ended(word: str, code: str, outcome: Outcome, status: int | None) -> None:
    state = SLURM.parse_state(shown(word, code=code), "")
    assert state is not None
    assert (state.phase, state.outcome, state.status) == (Phase.ENDED, outcome, status)


def test_a_controller_that_does_not_answer_is_no_end() -> None:
    assert SLURM.parse_state("", "slurm_load_jobs error: Unable to contact slurm controller") is None
    assert SLURM.parse_state("", "slurm_load_jobs error: Invalid job id specified") == GONE


def test_the_place_in_the_queue() -> None:
    waiting = JobState(phase=Phase.QUEUED, word="PENDING", queue="gpu")
    assert "--partition=gpu" in SLURM.format_queue(waiting)
    assert SLURM.parse_place("3\n7\n12\n", "7", "gpu") == Place(number=2, count=3)
    assert SLURM.parse_place("3\n", "7", "gpu") is None


@given(st.text(), st.text())
def test_any_answer_is_read_or_none(said: str, errors: str) -> None:
    SLURM.parse_state(said, errors)
    SLURM.parse_submitted(said)
    SLURM.parse_place(said, "7", "")
