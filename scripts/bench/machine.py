"""Processes that live for one measurement, what they use, and what this machine is."""

from __future__ import annotations

import contextlib
import os
import platform
import resource
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from scripts.private_sshd import descendants

LOOPBACK = "127.0.0.1"
REPOSITORY = Path(__file__).parents[2]
PATIENCE = 20.0  # for a program to start; Node.js on a busy machine takes seconds
_END_PATIENCE = 5.0
_PAUSE = 0.02
_TOLD_LINES = 4  # of a log, where its program failed
_WANTED_FILES = 65536  # two for each of a thousand WebSockets, and room

# Where distributions put servers, and `make bench` the proxy from npm.
_PATH = os.pathsep.join(
    [
        str(REPOSITORY / ".bench/node_modules/.bin"),
        os.environ.get("PATH", os.defpath),
        "/usr/local/sbin",
        "/usr/sbin",
        "/sbin",
    ]
)


class BenchError(Exception):
    """Something cannot be measured; str() is a line for people."""


def find_program(name: str) -> str | None:
    """Return the path of a program, None where it is not here."""
    return shutil.which(name, path=_PATH)


@contextlib.contextmanager
def open_process(
    command: Sequence[str | Path],
    log: Path,
    environment: Mapping[str, str] | None = None,
    stdout: int | None = None,
    cwd: Path = REPOSITORY,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program in a session of its own, its words going to `log`; on leaving, all of it is gone.

    With ``stdout=subprocess.PIPE`` standard output is the caller's to read.
    """
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output if stdout is None else stdout,
            stderr=output,
            env=environment,
            cwd=cwd,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_END_PATIENCE)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def wait_until(is_ready: Callable[[], bool], process: subprocess.Popen[bytes], log: Path, what: str) -> None:
    """Return once it is ready; raises `BenchError` with what the program said if it ends or takes too long."""
    end = time.monotonic() + PATIENCE
    while not is_ready():
        if process.poll() is not None or time.monotonic() > end:
            said = " / ".join(log.read_text(errors="replace").splitlines()[-_TOLD_LINES:])
            raise BenchError(f"{what} does not start: {said or 'it says nothing'}")
        time.sleep(_PAUSE)


def connect(address: int | Path) -> socket.socket:
    """Return a connection to a loopback port or a UNIX socket, with a deadline on each of its calls."""
    sock = socket.socket(socket.AF_INET if isinstance(address, int) else socket.AF_UNIX)
    try:
        sock.settimeout(PATIENCE)
        sock.connect((LOOPBACK, address) if isinstance(address, int) else str(address))
        if isinstance(address, int):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except BaseException:
        sock.close()
        raise
    return sock


def is_listening(address: int | Path) -> bool:
    """Whether a connection is accepted there."""
    try:
        connect(address).close()
    except OSError:
        return False
    return True


def free_port() -> int:
    """Return a loopback port that nobody uses now."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


def cpu_seconds(pid: int) -> float:
    """Return how long the process and those below it have run, in user and kernel mode, since they started."""
    return sum(map(_cpu_seconds, [pid, *descendants(pid)]))


def _cpu_seconds(pid: int) -> float:
    try:
        return parse_cpu_ticks(Path(f"/proc/{pid}/stat").read_text(errors="replace")) / os.sysconf("SC_CLK_TCK")
    except OSError:  # it has ended meanwhile
        return 0.0


def parse_cpu_ticks(stat: str) -> int:
    """Return utime + stime of a /proc/PID/stat; the name in it may hold blanks and parentheses (proc(5))."""
    fields = stat.rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def resident_bytes(pid: int) -> int:
    """Return the resident memory of the process and those below it; what they share counts for each."""
    return sum(map(own_resident_bytes, [pid, *descendants(pid)]))


def own_resident_bytes(pid: int) -> int:
    """Return the resident memory of the process alone."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:  # it has ended meanwhile
        return 0


def allow_many_files() -> None:
    """Let this process and its children open as many files as the system lets them, up to what is needed."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _WANTED_FILES if hard == resource.RLIM_INFINITY else min(hard, _WANTED_FILES)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def describe_machine() -> dict[str, str]:
    """Return what a reader of the figures wants to know of this machine."""
    cpuinfo = Path("/proc/cpuinfo").read_text()
    models = [line.partition(":")[2].strip() for line in cpuinfo.splitlines() if line.startswith("model name")]
    return {
        "processor": f"{len(os.sched_getaffinity(0))} × {models[0] if models else platform.machine()}",
        "kernel": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "load before": f"{os.getloadavg()[0]:.2f}",
    }


def program_version(command: Sequence[str]) -> str:
    """Return the first version number that a program says of itself."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    words = (done.stdout + done.stderr).replace("/", " ").split()
    numbers = (word.lstrip("v") for word in words if word.lstrip("v")[:1].isdigit() and "." in word)
    return next(numbers, "unknown")
