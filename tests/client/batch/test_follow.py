"""A job followed to its end, with a Slurm that does as the test says; the real one is in e2e/test_submit."""

from __future__ import annotations

import os
from pathlib import Path

import attrs
import pytest
import trio

from conductor_trio.client.batch.follow import follow
from conductor_trio.client.batch.records import Record, load
from conductor_trio.client.batch.scheduler import SCHEDULERS
from conductor_trio.client.batch.state import JobState, Outcome
from conductor_trio.limits.client import ClientLimits

LIMITS = ClientLimits(job_look_pause=0.01, max_job_look_pause=0.02, log_look_interval=0.01)
URL = "https://lab-alice.example.org/_conductor/auth/s3cret"


@attrs.frozen
class Cluster:
    """A job, and what scontrol is going to say of it."""

    directory: Path
    record: Record

    def say(self, state: str, **fields: object) -> None:
        said = " ".join(["JobId=17", f"JobState={state}", *(f"{name}={value}" for name, value in fields.items())])
        (self.directory / "new").write_text(f"{said}\n")
        (self.directory / "new").rename(self.directory / "said")

    def log(self, text: str) -> None:
        with open(self.record.log, "a") as file:
            file.write(text)


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    for name, script in (("scontrol", f"cat {tmp_path}/said"), ("squeue", "echo 16; echo 17")):
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    (directory := tmp_path / "jobs" / "lab").mkdir(parents=True)
    record = Record(
        directory=str(directory),
        key="lab",
        scheduler="slurm",
        job="17",
        server="gw",
        command=("x",),
        submitted=1.0,
    )
    return Cluster(tmp_path, record)


class Shown:
    """What a follower writes, and how its job ended."""

    def __init__(self, cluster: Cluster, *, is_new: bool = True) -> None:
        self.text = ""
        self.state: JobState | None = None
        self._cluster = cluster
        self._is_new = is_new
        self._reading, self._writing = os.pipe()
        os.set_blocking(self._reading, False)

    async def run(self) -> None:
        try:
            record, slurm = self._cluster.record, SCHEDULERS["slurm"]
            self.state = await follow(record, slurm, self._writing, LIMITS, is_new=self._is_new)
        finally:
            os.close(self._writing)

    async def wait_for(self, text: str) -> None:
        with trio.fail_after(20):
            while text not in self.text:
                await trio.lowlevel.wait_readable(self._reading)
                chunk = os.read(self._reading, 65536)
                assert chunk, self.text
                self.text += chunk.decode()

    def close(self) -> None:
        os.close(self._reading)


async def test_from_the_queue_to_the_end(cluster: Cluster) -> None:
    shown = Shown(cluster)
    cluster.say("PENDING", Reason="Priority")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(shown.run)
        await shown.wait_for("Queued: 2 of 2 in the queue, Priority: others come first")
        cluster.say("RUNNING", NodeList="node-17")
        await shown.wait_for("It runs on node-17")
        cluster.log("half")
        await shown.wait_for("half")
        cluster.log(" a line\n")
        await shown.wait_for("half a line\n")
        cluster.log("its last word\n")
        cluster.say("FAILED", Reason="NonZeroExitCode", ExitCode="7:0")
        await shown.wait_for("The job has failed with status 7")
    assert "its last word\n" in shown.text
    assert shown.state is not None
    assert (shown.state.outcome, shown.state.status) == (Outcome.FAILED, 7)
    loaded = load(str(cluster.directory / "jobs"), "lab")
    assert loaded is not None
    assert loaded.ended == "FAILED"
    shown.close()


async def test_whoever_comes_later_sees_the_end_of_the_log_and_the_link(cluster: Cluster) -> None:
    cluster.say("RUNNING", NodeList="node-17")
    cluster.log("".join(f"line {number}\n" for number in range(10_000)))
    Path(cluster.record.link).write_text(f"{URL}\n")
    shown = Shown(cluster, is_new=False)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(shown.run)
        await shown.wait_for(f"\n{URL}\n")
        cluster.say("COMPLETED")
    assert "\nline 9999\n" in shown.text
    assert "\nline 1\n" not in shown.text
    shown.close()


async def test_a_batch_system_that_is_away_is_waited_for(cluster: Cluster) -> None:
    shown = Shown(cluster)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(shown.run)
        await shown.wait_for("Slurm job 17")
        cluster.say("COMPLETED")
        await shown.wait_for("The job has ended")
    shown.close()
