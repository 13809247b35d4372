"""`conductor-trio submit` with Debian's own Slurm, and with a stand-in for PBS that runs what it is given."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import stat
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import attrs
import pytest
import trio

from tests.support.programs import (
    OWN_PYTHON,
    Program,
    Server,
    ask,
    open_program,
    open_server,
    run_program,
    wait_until,
)
from tests.support.slurm import SlurmCluster, open_slurm

PBS = Path(__file__).parents[1] / "doubles" / "pbs.py"
APPLICATION = Path(__file__).parents[1] / "support" / "chain_app.py"


@pytest.fixture(scope="module")
def slurm() -> Iterator[SlurmCluster]:
    with open_slurm() as cluster:
        yield cluster


@attrs.frozen(kw_only=True)
class LoginNode:
    """Where a user hands jobs in: the batch system's programs, a home, and a gateway."""

    home: Path
    server: Server
    environment: dict[str, str]

    def files(self, key: str) -> Path:
        """Return the directory of a job."""
        return self.home / ".local" / "state" / "conductor-trio" / "jobs" / key

    def client(self, *words: str) -> list[str | Path]:
        """Return a command of the client."""
        return [OWN_PYTHON.with_name("conductor-trio"), *words]

    def submit(self, key: str, *options: str, application: tuple[str, ...] = ()) -> list[str | Path]:
        """Return the command that hands a job in."""
        words = application or (str(OWN_PYTHON), str(APPLICATION), "{socket}")
        return self.client("submit", "-k", key, *options, str(self.server.control_socket), "--", *words)

    @contextlib.asynccontextmanager
    async def open(self, command: list[str | Path]) -> AsyncIterator[Program]:
        """Run a command."""
        async with open_program(command, environment=self.environment, cwd=self.home) as program:
            yield program

    async def run(self, command: list[str | Path]) -> Program:
        """Run a command to its end."""
        return await run_program(command, environment=self.environment, cwd=self.home)

    async def visit(self, key: str) -> None:
        """Go by the link in a job's file."""
        link = self.files(key) / "link"
        await wait_until(link.exists)
        assert stat.S_IMODE(link.stat().st_mode) == 0o600
        address = urlsplit(link.read_text().strip())
        token = address.path.rpartition("/")[2]
        assert (await ask(self.server.port, address.netloc, "/", token=token)).status == 200


@contextlib.asynccontextmanager
async def open_login_node(
    directory: Path, runtime_dir: Path, extra: dict[str, str], path: str = ""
) -> AsyncIterator[LoginNode]:
    (home := directory / "home").mkdir()
    environment = {"PATH": f"{path}/usr/bin:/bin", "HOME": str(home), "TMPDIR": str(directory), **extra}
    async with open_server(runtime_dir) as server:
        yield LoginNode(home=home, server=server, environment=environment)


@pytest.fixture
async def node(slurm: SlurmCluster, short_tmp: Path, runtime_dir: Path) -> AsyncIterator[LoginNode]:
    async with open_login_node(short_tmp, runtime_dir, slurm.environment) as node:
        try:
            yield node
        finally:
            slurm.end_jobs()


def job_of(node: LoginNode, key: str) -> str:
    told = json.loads((node.files(key) / "job.json").read_text())
    return str(told["job"])


async def test_a_job_is_shown_from_its_start_to_its_end(node: LoginNode) -> None:
    async with node.open(node.submit("lab", "--time", "20m", "--cpus", "1", "--memory", "100M")) as program:
        await program.out.wait_line(lambda line: "It runs on" in line)
        await program.out.wait_line(lambda line: "/_conductor/auth/" in line)
        await node.visit("lab")
        assert (node.files("lab") / "link").read_text() in program.out.text
        listed = await node.run(node.client("ls", str(node.server.control_socket)))
        assert f"Slurm job {job_of(node, 'lab')}; `submit --attach lab`" in listed.out.text
        [told] = map(
            json.loads, (await node.run(node.client("ls", "--json", str(node.server.control_socket)))).out.lines
        )
        assert (told["state"], told["job"]["state"]) == ("live", "RUNNING")
        assert urlsplit(told["url"]).netloc == told["urls"][0]
        second = await node.run(node.submit("lab"))
        assert second.process.returncode == 2
        assert "which is running; `conductor-trio submit --attach lab` follows it" in second.err.text
        await node.run(node.client("stop", "lab", str(node.server.control_socket)))
        assert await program.wait_ended() == 0
    assert "The job has ended" in program.out.text
    assert not (node.files("lab") / "link").exists()
    for name in ("log", "token", "script", "job.json"):
        assert stat.S_IMODE((node.files("lab") / name).stat().st_mode) == 0o600
    again = await node.run(node.client("submit", "--attach", "lab"))
    assert again.process.returncode == 0
    assert "The job has ended" in again.out.text


async def test_ctrl_c_leaves_the_job_alone_and_attach_finds_it(node: LoginNode, slurm: SlurmCluster) -> None:
    async with node.open(node.submit("lab")) as program:
        await program.out.wait_line(lambda line: "/_conductor/auth/" in line)
        assert await program.end(signal.SIGINT) == 130
    job = job_of(node, "lab")
    assert f"Slurm job {job} goes on. `scancel {job}` ends it" in program.err.text
    await node.visit("lab")
    async with node.open(node.client("submit", "--attach", "lab")) as program:
        await program.out.wait_line(lambda line: "/_conductor/auth/" in line)
        slurm.run("scancel", job)
        assert await program.wait_ended() == 0
    assert "The job was cancelled" in program.out.text
    assert "The application has ended" in program.out.text
    assert not (node.files("lab") / "link").exists()


async def test_the_terminals_end_is_not_the_jobs(node: LoginNode, slurm: SlurmCluster) -> None:
    async with node.open(node.submit("lab")) as program:
        await program.out.wait_line(lambda line: "/_conductor/auth/" in line)
        await program.end(signal.SIGHUP)
    await node.visit("lab")
    slurm.run("scancel", job_of(node, "lab"))


async def test_a_requeued_job_comes_back_at_the_same_address(node: LoginNode, slurm: SlurmCluster) -> None:
    async with node.open(node.submit("lab")) as program:
        await program.out.wait_line(lambda line: "/_conductor/auth/" in line)
        link, job = (node.files("lab") / "link").read_text(), job_of(node, "lab")
        slurm.run("scontrol", "requeue", job)
        await program.out.wait_line(lambda line: "It is queued again; address and token stay the same" in line)
        # Slurm has it wait for two minutes, lest it comes back to a node that fails.
        slurm.run("scontrol", "update", f"JobId={job}", "StartTime=now")
        await wait_until(lambda: len(link_lines(program)) > 1)
        await node.visit("lab")
        assert (node.files("lab") / "link").read_text() == link
        assert set(link_lines(program)) == {link.strip()}
        slurm.run("scancel", job)
        await program.wait_ended()


def link_lines(program: Program) -> list[str]:
    return [line for line in program.out.lines if "/_conductor/auth/" in line]


async def test_who_waits_sees_why_and_may_leave_the_queue(node: LoginNode, slurm: SlurmCluster) -> None:
    await node.run(node.submit("first", "--no-wait", "--cpus", str(slurm.cpus)))
    await node.visit("first")
    async with node.open(node.submit("lab", "--cpus", str(slurm.cpus))) as program:
        await program.out.wait_line(lambda line: "Queued: 1 of 1 in the queue" in line)
        listed = await node.run(node.client("ls", str(node.server.control_socket)))
        assert any(line.split()[:2] == ["lab", "queued"] for line in listed.out.lines)
        await node.run(node.client("stop", "lab"))
        assert await program.wait_ended() == 0
    assert "The job was cancelled" in program.out.text


async def test_a_job_that_fails_says_why(node: LoginNode) -> None:
    program = await node.run(node.submit("lab", application=("sh", "-c", "echo no module >&2; exit 7")))
    assert program.process.returncode == 7
    assert "no module" in program.out.text
    assert "The job has failed with status 7" in program.out.lines[-1]


async def test_what_slurm_does_not_take_is_told_and_leaves_nothing(node: LoginNode) -> None:
    program = await node.run(node.submit("lab", "--partition", "nowhere"))
    assert program.process.returncode == 1
    assert "Slurm does not take the job: " in program.err.text
    assert "invalid partition specified: nowhere" in program.err.text
    assert not node.files("lab").exists()


async def test_slurms_own_options_and_those_of_the_configuration_hold(
    node: LoginNode, slurm: SlurmCluster
) -> None:
    (directory := node.home / ".config" / "conductor-trio").mkdir(parents=True)
    (directory / "config.toml").write_text(
        f'server = "{node.server.control_socket}"\n[submit]\ntime = "15m"\noptions = ["--nice=7"]\n'
    )
    command = node.client("submit", "--no-wait", "-k", "lab", "--", "--hold", "--", "sh", "-c", ":")
    program = await node.run(command)
    assert program.out.lines[-1] == str(node.files("lab") / "link")
    said = slurm.run("scontrol", "--oneliner", "show", "job", job_of(node, "lab"))
    assert "TimeLimit=00:15:00" in said
    assert "Reason=JobHeldUser" in said
    assert "Nice=7" in said
    await node.run(node.client("stop", "lab"))


async def test_time_that_is_up_ends_it_in_order(node: LoginNode, slurm: SlurmCluster) -> None:
    """Slurm looks twice a minute only; that its time is up while the session lives is what is looked at."""
    async with node.open(node.submit("lab", "--time", "12m")) as program:
        await program.out.wait_line(lambda line: "/_conductor/auth/" in line)
        slurm.run("scontrol", "update", f"JobId={job_of(node, 'lab')}", "EndTime=now")
        with trio.fail_after(60):
            status = await program.process.wait()
        assert status == 1
    assert "The job's time is up" in program.out.text
    assert "The application has ended" in program.out.text
    assert not (node.files("lab") / "link").exists()


@pytest.fixture
async def pbs_node(short_tmp: Path, runtime_dir: Path) -> AsyncIterator[LoginNode]:
    (programs := short_tmp / "bin").mkdir()
    (jobs := short_tmp / "pbs").mkdir()
    for name in ("qsub", "qstat", "qdel"):
        shutil.copy(PBS, programs / name)
        (programs / name).chmod(0o755)
    # Where Slurm is here, too, it has to be said which.
    extra = {"PBS_DOUBLE": str(jobs), "SLURM_CONF": os.devnull}
    async with open_login_node(short_tmp, runtime_dir, extra, path=f"{programs}:{OWN_PYTHON.parent}:") as node:
        yield node


async def test_pbs_runs_it_shows_it_and_ends_it(pbs_node: LoginNode) -> None:
    node = pbs_node
    options = ("--scheduler", "pbs", "--time", "2h", "--gpus", "1", "--memory", "4G")
    async with node.open(node.submit("lab", *options)) as program:
        await program.out.wait_line(lambda line: "It runs on node1" in line)
        await program.out.wait_line(lambda line: "/_conductor/auth/" in line)
        await node.visit("lab")
        told = json.loads((Path(node.environment["PBS_DOUBLE"]) / "1.json").read_text())
        assert told["resources"] == ["select=1:ngpus=1:mem=4gb", "walltime=02:00:00"]
        assert await program.end(signal.SIGINT) == 130
    assert "PBS job 1.pbs goes on. `qdel 1.pbs` ends it" in program.err.text
    async with node.open(node.client("submit", "--attach", "lab")) as program:
        await program.out.wait_line(lambda line: "/_conductor/auth/" in line)
        await node.run([Path(node.environment["PATH"].partition(":")[0]) / "qdel", "1.pbs"])
        assert await program.wait_ended() == 0
    assert not (node.files("lab") / "link").exists()


async def test_pbs_tells_why_a_job_waits_or_fails(pbs_node: LoginNode) -> None:
    node = pbs_node
    async with node.open(node.submit("lab", "--scheduler", "pbs", "--partition", "full")) as program:
        await program.out.wait_line(lambda line: "Queued: 1 of 1 in the queue, Not Running" in line)
        await node.run(node.client("stop", "lab"))
        assert await program.wait_ended() == 0
    failed = await node.run(
        node.submit("lab", "--scheduler", "pbs", application=("sh", "-c", "echo no module >&2; exit 7"))
    )
    assert failed.process.returncode == 7
    assert "no module" in failed.out.text
    refused = await node.run(node.submit("lab", "--scheduler", "pbs", "--partition", "none"))
    assert "PBS does not take the job: qsub: Unknown queue" in refused.err.text
