"""What a server holds, and whether it is as much after all the work as before."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from pathlib import Path

import attrs

from scripts.bench.machine import BenchError, connect, resident_bytes

MIB = 1024 * 1024
#: Half-used pages become more for a while. 10 bytes of each request, or 2 KiB of each session, would be 9 MiB.
MAX_GROWTH = 6 * MIB
#: Those of Trio that look up users end when they have been idle for 10 s, and there are 8 of them at most.
MAX_THREADS = 12

_READ_SIZE = 65536


@attrs.frozen(kw_only=True)
class Vitals:
    """At one moment. `resident` is in bytes; `active` are requests and tunnels, `held` those that wait.

    `errors` are the server's own.
    """

    resident: int
    descriptors: int
    threads: int
    directories: int
    routes: int
    active: int
    held: int
    requests: int
    errors: int

    def is_at_rest(self, descriptors: int) -> bool:
        """Whether nothing goes on, and no more descriptors are open than that."""
        nothing = not (self.directories or self.routes or self.active or self.held)
        return nothing and self.descriptors <= descriptors


def read_vitals(pid: int, port: int, runtime: Path) -> Vitals:
    """Look at a server; raises `BenchError` where it does not answer as it should."""
    counters = _read_counters(port)
    threads = re.search(r"^Threads:\s*(\d+)", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    return Vitals(
        resident=resident_bytes(pid),
        descriptors=len(os.listdir(f"/proc/{pid}/fd")),
        threads=int(threads[1]) if threads else 0,
        directories=len(os.listdir(runtime / "sockets")),
        routes=counters["routesTotal"],
        active=counters["requestActive"] - 1,  # without the one that asks
        held=counters["requestsHeld"],
        requests=counters["requestTotal"],
        errors=counters["internalErrors"],
    )


def _read_counters(port: int) -> dict[str, int]:
    answer = b""
    with connect(port) as sock:
        sock.sendall(b"GET /_conductor/status HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        while chunk := sock.recv(_READ_SIZE):
            answer += chunk
    try:
        counters: dict[str, int] = json.loads(answer.partition(b"\r\n\r\n")[2])
    except ValueError:
        raise BenchError(f"the server's counters are {answer[:200]!r}") from None
    return counters


def judge(base: Vitals, rests: Sequence[Vitals], warm_up: int = 1) -> list[str]:
    """Return what is wrong: `base` is the server before its first request, `rests` after each round of work.

    The first rounds are a warm-up: what they make the server load, compile and allocate stays.
    """
    warm, last = rests[min(warm_up, len(rests)) - 1], rests[-1]
    wrong = []
    if (growth := last.resident - warm.resident) > MAX_GROWTH:
        wrong.append(f"memory grew by {growth / MIB:.1f} MiB after the warm-up")
    for name in ("descriptors", "directories", "routes", "active", "held"):
        before, after = getattr(base, name), getattr(last, name)
        if after > before:
            wrong.append(f"{name}: {after}, and {before} before all")
    if (most := max(rest.threads for rest in rests)) > MAX_THREADS:
        wrong.append(f"threads: up to {most}")
    if last.errors:
        wrong.append(f"the server counted {last.errors} errors of its own")
    return wrong


def format_row(name: str, found: Vitals) -> str:
    """Return a line of the table of `HEADINGS`."""
    values = (f"{found.resident / MIB:.1f}", *attrs.astuple(found)[1:])
    return "".join(f"{value:>12}" for value in (name, *values))


HEADINGS = "".join(
    f"{name:>12}" for name in ("after", "memory, MiB", *(field.name for field in attrs.fields(Vitals)[1:]))
)
