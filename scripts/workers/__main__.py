"""The command line: so many kills of workers under load, so many registrations, and a table of what came of it."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import attrs

from scripts.bench.machine import PATIENCE, connect
from scripts.bench.peers import Site, control_socket, open_gateway, ours_command
from scripts.bench.sessions import LocalSession
from scripts.dashboard.__main__ import open_application
from scripts.workers.visitors import Tally, open_visitors

_GOAL = 20.0  # milliseconds in which 99 of 100 registrations are to be done with four workers
_PAUSE = 0.02
_SESSIONS = 5


Rows = list[tuple[str, str]]


@attrs.frozen(kw_only=True)
class Server:
    """A running server with workers."""

    port: int
    pid: int
    log: Path
    control: Path

    def ready(self) -> list[int]:
        """Return the ids of the workers that have begun to serve, the latest last."""
        entries = (json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{"))
        return [entry["pid"] for entry in entries if entry["event"] == "worker_ready"]

    def wait_ready(self, count: int) -> None:
        """Return once so many have."""
        end = time.monotonic() + PATIENCE
        while len(self.ready()) < count:
            if time.monotonic() > end:
                raise TimeoutError("a worker does not come back")
            time.sleep(_PAUSE)

    def descriptors(self) -> int:
        """Return how many descriptors the control process has."""
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def status(self) -> dict[str, int]:
        """Return what it tells of itself."""
        with connect(self.port) as connection:
            connection.sendall(b"GET /_conductor/status HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            answer = b"".join(iter(lambda: connection.recv(65536), b""))
        counters: dict[str, int] = json.loads(answer.partition(b"\r\n\r\n")[2])
        return counters


@contextlib.contextmanager
def open_server(directory: Path, application: Path, workers: int) -> Iterator[Server]:
    """Run a server with so many workers, once all of them serve."""
    directory.mkdir()
    site = Site(directory=directory, upstream=application)
    command = [*ours_command(site), "--workers", str(workers), "--max-user-new-sessions", "1000000"]
    with open_gateway(f"with {workers} workers", site, command) as process:
        server = Server(port=site.port, pid=process.pid, log=site.log, control=control_socket(site))
        server.wait_ready(workers if workers > 1 else 0)
        yield server


def connections_of(pid: int, port: int) -> set[int]:
    """Return the ports of the visitors whose connections a process has, by /proc."""
    inodes = set()
    for descriptor in os.scandir(f"/proc/{pid}/fd"):
        with contextlib.suppress(OSError):
            inodes.add(os.readlink(descriptor.path).removeprefix("socket:[").removesuffix("]"))
    found = set()
    for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        own, other, inode = fields[1], fields[2], fields[9]
        if inode in inodes and int(own.rpartition(":")[2], 16) == port:
            found.add(int(other.rpartition(":")[2], 16))
    return found


def kill_workers(server: Server, application: Path, kills: int, visitors: int) -> tuple[Rows, bool]:
    """Kill one worker after the other under load; returns a table, and whether only their connections broke."""
    with contextlib.ExitStack() as stack:
        sessions = [
            stack.enter_context(LocalSession(server.control, application, f"session{number}"))
            for number in range(_SESSIONS)
        ]
        with open_visitors(visitors, server.port, sessions[0].host):  # all has been opened once that will be
            time.sleep(1.0)
        before, count = server.descriptors(), server.status()["routesTotal"]
        theirs: set[int] = set()
        longest = 0.0
        with open_visitors(visitors, server.port, sessions[0].host) as tally:
            for _ in range(kills):
                _wait_more(tally, visitors)
                there, victim = len(server.ready()), server.ready()[-2]
                os.kill(victim, signal.SIGSTOP)  # so that it has no other connections when it is killed
                theirs |= connections_of(victim, server.port)
                began = time.monotonic()
                os.kill(victim, signal.SIGKILL)
                server.wait_ready(there + 1)
                longest = max(longest, time.monotonic() - began)
            _wait_more(tally, visitors)
        others = [port for port in tally.lost if port not in theirs]
        time.sleep(1.0)  # what visitors have left is closed
        after, count_after = server.descriptors(), server.status()["routesTotal"]
    is_well = not others and not tally.wrong and not tally.refused and after <= before and count == count_after
    return [
        ("workers killed", str(kills)),
        ("back after, at most", f"{longest:.2f} s"),
        ("requests answered", str(tally.answered)),
        ("lost with a killed worker's connection", str(len(tally.lost) - len(others))),
        ("lost otherwise", str(len(others))),
        ("answered by others, connections refused", f"{len(tally.wrong)}, {tally.refused}"),
        ("descriptors of the control process", f"{before} before, {after} after"),
        ("sessions", f"{count} before, {count_after} after"),
    ], is_well


def _wait_more(tally: Tally, count: int) -> None:
    wanted = tally.answered + count
    end = time.monotonic() + PATIENCE
    while tally.answered < wanted:
        if time.monotonic() > end:
            raise TimeoutError("nothing is answered any more")
        time.sleep(_PAUSE)


def register(servers: Sequence[Server], application: Path, count: int) -> dict[Server, list[float]]:
    """Return how long each of so many sessions took to be there, one at each server in turn, in milliseconds."""
    took: dict[Server, list[float]] = {server: [] for server in servers}
    for number in range(count):
        for server in servers:
            began = time.perf_counter()
            session = LocalSession(server.control, application, f"key{number}")
            took[server].append((time.perf_counter() - began) * 1e3)
            session.leave()
    return took


def _percentile(numbers: Sequence[float], part: int) -> float:
    return sorted(numbers)[min(len(numbers) - 1, len(numbers) * part // 100)]


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(prog="python -m scripts.workers", description=__doc__)
    parser.add_argument("--kills", type=int, default=100, metavar="N", help="(default %(default)s)")
    parser.add_argument("--visitors", type=int, default=8, metavar="N", help="(default %(default)s)")
    parser.add_argument(
        "--registrations", type=int, default=1000, metavar="N", help="at each server (default %(default)s)"
    )
    parser.add_argument(
        "--workers", type=int, nargs="+", default=[1, 2, 4], metavar="N", help="of those (default: 1 2 4)"
    )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, and print what came of it; 0 if nothing broke but what has to."""
    given = make_parser().parse_args(argv)
    rows: Rows = []
    with contextlib.ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="wk-", dir="/tmp")))
        application = directory / "app"
        stack.enter_context(open_application(application))
        is_well = True
        if given.kills:
            with open_server(directory / "kills", application, 2) as server:
                rows, is_well = kill_workers(server, application, given.kills, given.visitors)
        if given.registrations:
            servers = [stack.enter_context(open_server(directory / str(n), application, n)) for n in given.workers]
            took = register(servers, application, given.registrations)
            for count, server in zip(given.workers, servers, strict=True):
                median, most = statistics.median(took[server]), _percentile(took[server], 99)
                rows.append((f"a registration, workers: {count}", f"median {median:.1f} ms, 99 % {most:.1f} ms"))
            rows.append(("goal with 4", f"99 % {_GOAL:g} ms"))
    width = max(len(name) for name, _ in rows) + 2
    for name, value in rows:
        print(f"{name:{width}}{value}")
    return 0 if is_well else 1


if __name__ == "__main__":
    sys.exit(main())
