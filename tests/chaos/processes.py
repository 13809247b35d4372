"""Processes of a running world, orphans included: found, killed, stopped, and what they use."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import attrs

from scripts.private_sshd import descendants
from tests.support.programs import wait_gone, wait_until

_PR_SET_CHILD_SUBREAPER = 36  # <linux/prctl.h>


def tell_machine() -> str:
    """Return how busy this machine is: whoever reads of something late can tell whose fault that was."""
    return f"{os.cpu_count()} processors at a load of {os.getloadavg()[0]:.1f}"


@contextmanager
def adopting_orphans() -> Iterator[None]:
    """Within, processes that lose their parents become our children; on leaving, none of those is left."""
    before = set(descendants(os.getpid()))
    _set_subreaper(True)
    try:
        yield
    finally:
        for pid in descendants(os.getpid()):
            if pid not in before:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        _set_subreaper(False)
        for pid in _children():
            if pid not in before:
                os.waitpid(pid, 0)


def _set_subreaper(on: bool) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, int(on), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "PR_SET_CHILD_SUBREAPER")


def _children() -> list[int]:
    return [pid for pid in descendants(os.getpid()) if _status(pid).parent == os.getpid()]


@attrs.frozen(kw_only=True)
class _Status:
    state: str
    parent: int


def _status(pid: int) -> _Status:
    """Return what the kernel says of a process; X, the state of the dead, where there is none."""
    try:
        # The name in parentheses may hold blanks and parentheses itself (proc(5)).
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return _Status(state="X", parent=0)
    return _Status(state=fields[0], parent=int(fields[1]))


def is_running(pid: int) -> bool:
    """Whether the process is there, and no zombie."""
    return _status(pid).state not in "XZ"


def name_of(pid: int) -> str:
    """Return the name of a process as the rest of this package calls it; nothing where it has ended."""
    try:
        name = Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""
    if name.startswith("python"):
        is_server = any(
            "conductor-trio-server" in word or "conductor_trio.server" in word for word in command_of(pid)
        )
        return "server" if is_server else "application"
    # 15 letters are kept of a name. OpenSSH 9.8 and later have programs such as sshd-session.
    known = {"conductor-trio-": "server", "conductor-trio": "client"}
    return known.get(name, "sshd" if name.startswith("sshd") else name)


def command_of(pid: int) -> list[str]:
    """Return a process's command line; empty where it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text(errors="replace").split("\0")
    except OSError:
        return []


def find_all(name: str, below: int | None = None) -> list[int]:
    """Return the running processes of that name below a process, or all of ours."""
    found = descendants(os.getpid() if below is None else below)
    return [pid for pid in found if name_of(pid) == name and is_running(pid)]


async def wait_found(find: Callable[[], list[int]]) -> list[int]:
    """Wait until something is found, and return it."""
    found: list[int] = []

    def look() -> bool:
        found[:] = find()
        return bool(found)

    await wait_until(look)
    return found


async def kill(pids: Iterable[int]) -> None:
    """Kill processes, and wait until they have ended."""
    pids = list(pids)
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    for pid in pids:
        await wait_gone(pid)


@asynccontextmanager
async def stopped(pids: Iterable[int]) -> AsyncIterator[None]:
    """Within, the processes stand still."""
    pids = list(pids)
    try:
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        await wait_until(lambda: all(_status(pid).state in "TXZ" for pid in pids))
        yield
    finally:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def descriptors_of(pid: int) -> list[str]:
    """Return what a process's descriptors point to."""
    found = []
    with contextlib.suppress(OSError):  # it has ended meanwhile
        for descriptor in os.listdir(f"/proc/{pid}/fd"):
            with contextlib.suppress(OSError):
                found.append(os.readlink(f"/proc/{pid}/fd/{descriptor}"))
    return found


@attrs.frozen(kw_only=True)
class Usage:
    """How many processes there are, and what they use together; `memory` is resident, in bytes."""

    processes: int = 0
    descriptors: int = 0
    threads: int = 0
    memory: int = 0

    def plus(self, pid: int) -> Usage:
        """Return the usage with that of another process."""
        threads, pages = 0, 0
        with contextlib.suppress(OSError):
            threads = len(os.listdir(f"/proc/{pid}/task"))
            pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        return Usage(
            processes=self.processes + 1,
            descriptors=self.descriptors + len(descriptors_of(pid)),
            threads=self.threads + threads,
            memory=self.memory + pages * os.sysconf("SC_PAGE_SIZE"),
        )


def usage_by_name() -> dict[str, Usage]:
    """Return what all our processes use. Zombies count, unless they wait for us: others have to reap theirs."""
    usage: dict[str, Usage] = {}
    for pid in descendants(os.getpid()):
        status = _status(pid)
        if status.state != "X" and not (status.state == "Z" and status.parent == os.getpid()):
            name = name_of(pid)
            usage[name] = usage.get(name, Usage()).plus(pid)
    return usage


def peers_of(pid: int) -> list[int]:
    """Return the processes of sshd that serve the TCP connection of an ssh."""
    # Once for all: where others are busy, there are tens of thousands of entries.
    sockets = _sockets_of(pid)
    own = {entry.local for entry in _tcp_entries(pid) if entry.inode in sockets}
    theirs = {entry.inode for entry in _tcp_entries(os.getpid()) if entry.remote in own}
    return [sshd for sshd in find_all("sshd") if theirs & _sockets_of(sshd)]


@attrs.frozen
class _TcpEntry:
    local: str
    remote: str
    inode: str


def _tcp_entries(pid: int) -> list[_TcpEntry]:
    """Return the TCP connections in the network namespace of a process (proc(5): /proc/net/tcp)."""
    try:
        rows = [line.split() for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]]
    except OSError:
        return []
    return [_TcpEntry(row[1], row[2], row[9]) for row in rows]


def _sockets_of(pid: int) -> set[str]:
    """Return the inodes of the sockets that a process has open."""
    targets = descriptors_of(pid)
    return {
        target.removeprefix("socket:[").removesuffix("]") for target in targets if target.startswith("socket:")
    }
