"""PBS's commands and answers, in the form of its manual; a stand-in that runs jobs is in e2e/test_submit."""

from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conductor_trio.client.batch.pbs import Pbs
from conductor_trio.client.batch.request import JobRequest, Resources
from conductor_trio.client.batch.state import GONE, Outcome, Phase, Place

PBS = Pbs()


def shown(state: str, **fields: str) -> str:
    lines = [f"    {name} = {value}" for name, value in fields.items()]
    return "\n".join(["Job Id: 17.master", "    Job_Name = lab", f"    job_state = {state}", *lines, ""])


def submit(name: str = "lab", **resources: object) -> list[str]:
    request = JobRequest(
        name=name,
        resources=Resources(**resources),  # type: ignore[arg-type]
        script="/s",
        log="/d/log",
        cwd="/w",
    )
    return PBS.format_submit(request)


def test_what_is_asked_for() -> None:
    usual = ["qsub", "-N", "lab", "-j", "oe", "-o", "/d/log.pbs", "-V", "-l"]
    assert submit() == [*usual, "select=1", "/s"]
    asked = submit(
        seconds=7200, gpus=1, cpus=4, memory="16G", partition="gpuq", account="lab", options=("-r", "n")
    )
    chunk = "select=1:ncpus=4:ngpus=1:mem=16gb"
    assert asked == [*usual, chunk, "-l", "walltime=02:00:00", "-q", "gpuq", "-A", "lab", "-r", "n", "/s"]


def test_a_name_begins_with_a_letter_and_is_short() -> None:
    assert submit("7lab")[2] == "j7lab"
    assert len(submit("a" * 40)[2]) == 15


@pytest.mark.parametrize(
    ("said", "job"),
    [("17.master.example.org\n", "17.master.example.org"), ("17\n", "17"), ("", None), ("qsub: no\n", None)],
)
def test_the_id(said: str, job: str | None) -> None:
    assert PBS.parse_submitted(said) == job


def test_a_job_that_waits_says_why_though_the_line_goes_on() -> None:
    said = shown("Q", queue="gpuq", comment="Not Running: Insufficient amount of resource: ngp") + "\tus\n"
    state = PBS.parse_state(said, "")
    assert state is not None
    assert (state.phase, state.queue) == (Phase.QUEUED, "gpuq")
    assert state.reason == "Not Running: Insufficient amount of resource: ngpus"


def test_a_job_that_runs() -> None:
    start = "Sat Nov 28 14:05:00 2026"
    said = shown("R", exec_host="node7/0*4", stime=start, **{"Resource_List.walltime": "01:00:00"}, run_count="2")
    state = PBS.parse_state(said, "")
    assert state is not None
    assert (state.phase, state.node, state.restarts) == (Phase.RUNNING, "node7", 1)
    began = datetime(2026, 11, 28, 14, 5).timestamp()
    assert (state.start, state.end) == (began, began + 3600)


@pytest.mark.parametrize(
    ("fields", "outcome", "status"),
    [
        ({"Exit_status": "0"}, Outcome.WELL, 0),
        ({"Exit_status": "7"}, Outcome.FAILED, 7),
        ({"Exit_status": "265"}, Outcome.FAILED, 137),
        ({"Exit_status": "-3"}, Outcome.FAILED, 1),
        ({"Exit_status": "271", "comment": "Job run at 14:05 and terminated"}, Outcome.CANCELLED, 143),
        ({"Exit_status": "271", "comment": "walltime 61 exceeded limit 60"}, Outcome.TIME_UP, 143),
        ({}, Outcome.CANCELLED, None),
    ],
)
def test_a_job_that_has_ended(fields: dict[str, str], outcome: Outcome, status: int | None) -> None:
    state = PBS.parse_state(shown("F", **fields), "")
    assert state is not None
    assert (state.phase, state.outcome, state.status) == (Phase.ENDED, outcome, status)


def test_a_server_that_does_not_answer_is_no_end() -> None:
    assert PBS.parse_state("", "qstat: cannot connect to server master (errno=15010)") is None
    assert PBS.parse_state("", "qstat: Unknown Job Id 17.master") == GONE


def test_the_place_in_the_queue() -> None:
    listed = (
        "Job id            Name             User              Time Use S Queue\n"
        "----------------  ---------------- ----------------  -------- - -----\n"
        "3.master          x                me                00:00:00 R gpuq\n"
        "5.master          x                me                       0 Q gpuq\n"
        "6.master          x                me                       0 Q other\n"
        "17.master         x                me                       0 Q gpuq\n"
    )
    assert PBS.parse_place(listed, "17.master.example.org", "gpuq") == Place(number=2, count=2)
    assert PBS.parse_place(listed, "4.master", "gpuq") is None


@given(st.text(), st.text())
def test_any_answer_is_read_or_none(said: str, errors: str) -> None:
    PBS.parse_state(said, errors)
    PBS.parse_submitted(said)
    PBS.parse_place(said, "7", "")
