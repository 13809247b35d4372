"""The children of a process, by what the kernel tells of them."""

from __future__ import annotations

import os
from pathlib import Path


def children_of(pid: int) -> list[int]:
    """Return the processes that any thread of that process has started and nobody has reaped."""
    found = []
    for thread in os.listdir(f"/proc/{pid}/task"):
        try:
            found += Path(f"/proc/{pid}/task/{thread}/children").read_text().split()
        except (FileNotFoundError, ProcessLookupError):  # the thread has ended
            continue
    return [int(child) for child in found]


def own_children() -> dict[int, str]:
    """Return this process's children, zombies included: their ids and their states with their names."""
    found = {}
    for pid in children_of(os.getpid()):
        try:
            fields = Path(f"/proc/{pid}/stat").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue
        name, state = fields.partition("(")[2].rpartition(")")[0], fields.rpartition(")")[2].split()[0]
        found[pid] = f"{name} (pid {pid}, state {state})"
    return found
