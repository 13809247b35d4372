"""A Slurm cluster of one node on loopback, with Debian's own programs, for whoever is root."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import attrs

from tests.support.needs import require_program, require_root

_CONFIGURATION = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={directory}/munge.sock
SlurmctldPort={controller_port}
SlurmdPort={node_port}
StateSaveLocation={directory}/state
SlurmdSpoolDir={directory}/spool
SlurmctldPidFile={directory}/slurmctld.pid
SlurmdPidFile={directory}/slurmd.pid
SlurmctldLogFile={directory}/slurmctld.log
SlurmdLogFile={directory}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerParameters=bf_interval=1,sched_interval=1,batch_sched_delay=0,requeue_setup_env_fail
MpiDefault=none
ReturnToService=2
KillWait=20
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory=1000 State=UNKNOWN
PartitionName=main Nodes={host} Default=YES MaxTime=60 DefaultTime=30 State=UP
"""
_PATIENCE = 30.0


@attrs.frozen(kw_only=True)
class SlurmCluster:
    """A cluster that takes jobs; `cpus` is all that it has."""

    directory: Path
    cpus: int

    @property
    def environment(self) -> dict[str, str]:
        """What finds it."""
        return {"SLURM_CONF": str(self.directory / "slurm.conf")}

    def run(self, *command: str) -> str:
        """Run one of Slurm's programs, and return what it says."""
        return subprocess.check_output(
            command, env={**os.environ, **self.environment}, text=True, stderr=subprocess.STDOUT
        )

    def end_jobs(self) -> None:
        """Have no job be left."""
        with contextlib.suppress(subprocess.CalledProcessError):
            self.run("scancel", "--user=root")
            deadline = time.monotonic() + _PATIENCE
            while self.run("squeue", "--noheader").strip() and time.monotonic() < deadline:
                time.sleep(0.05)


@contextlib.contextmanager
def open_slurm() -> Iterator[SlurmCluster]:
    """Run munged, slurmctld and slurmd of its own; skips the test where there are none."""
    require_root()
    programs = {name: require_program(name) for name in ("munged", "slurmctld", "slurmd", "sbatch")}
    # munged demands that nobody else can write to any directory above its files.
    with tempfile.TemporaryDirectory(dir="/run", prefix="ct-slurm-", ignore_cleanup_errors=True) as name:
        directory = Path(name)
        directory.chmod(0o755)
        host, cpus = socket.gethostname().partition(".")[0], os.cpu_count() or 1
        for below in ("munge", "state", "spool"):
            (directory / below).mkdir(mode=0o700)
        (directory / "munge" / "key").write_bytes(os.urandom(1024))
        (directory / "munge" / "key").chmod(0o400)
        first, second = _free_ports()
        cluster = SlurmCluster(directory=directory, cpus=cpus)
        (directory / "slurm.conf").write_text(
            _CONFIGURATION.format(
                host=host, cpus=cpus, directory=directory, controller_port=first, node_port=second
            )
        )
        munge = [f"--{what}={directory}/{place}" for what, place in _MUNGE_FILES.items()]
        with (
            _running([programs["munged"], "--foreground", "--force", *munge], cluster),
            _running([programs["slurmctld"], "-D"], cluster),
            _running([programs["slurmd"], "-D", "-N", host], cluster),
        ):
            _wait_idle(cluster)
            try:
                yield cluster
            finally:
                cluster.end_jobs()


_MUNGE_FILES = {
    "socket": "munge.sock",
    "key-file": "munge/key",
    "pid-file": "munge/pid",
    "seed-file": "munge/seed",
    "log-file": "munge/log",
}


@contextlib.contextmanager
def _running(command: list[str], cluster: SlurmCluster) -> Iterator[None]:
    log = cluster.directory / f"{Path(command[0]).name}.out"
    with log.open("wb") as out:
        process = subprocess.Popen(
            command,
            env={**os.environ, **cluster.environment},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(_PATIENCE)
        finally:
            process.kill()
            process.wait()


def _wait_idle(cluster: SlurmCluster) -> None:
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        with contextlib.suppress(subprocess.CalledProcessError):
            if cluster.run("sinfo", "--noheader", "--format=%t").strip() == "idle":
                return
        time.sleep(0.1)
    logs = "\n".join(path.read_text(errors="replace")[-2000:] for path in cluster.directory.glob("*.log"))
    raise AssertionError(f"Slurm does not come up:\n{logs}")


def _free_ports() -> tuple[int, int]:
    with socket.socket() as first, socket.socket() as second:
        first.bind(("127.0.0.1", 0))
        second.bind(("127.0.0.1", 0))
        return first.getsockname()[1], second.getsockname()[1]
