"""What every test gets: a Hypothesis profile, short temporary directories, and the check that nothing is left."""

from __future__ import annotations

import gc
import os
import shutil
import stat
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
import trio

# The gate tries the same examples each time, so that a failure is the change's own; `fuzz` looks for new ones.
hypothesis.settings.register_profile("ci", max_examples=100, deadline=None, derandomize=True, database=None)
hypothesis.settings.register_profile("fuzz", max_examples=5000, deadline=None, print_blob=True)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


class TaskWatch(trio.abc.Instrument):
    """Knows the system tasks of a test's Trio run that are not Trio's own.

    Any other task has a nursery that waits for it, so the run itself cannot end before it. pytest-trio finds
    instruments among a test's fixtures.
    """

    def __init__(self) -> None:
        self.system_tasks: list[str] = []
        self._main_task_is_known = False

    def task_spawned(self, task: trio.lowlevel.Task) -> None:
        """Note a task that no nursery of the test's own holds."""
        nursery = task.parent_nursery
        if nursery is None or nursery.parent_task is not trio.lowlevel.current_root_task():
            return
        if task.name.startswith("trio."):
            return
        if not self._main_task_is_known:
            self._main_task_is_known = True
            return
        self.system_tasks.append(task.name)


def open_descriptors() -> Counter[str]:
    """Return what this process's descriptors point to, and how many point there."""
    found: Counter[str] = Counter()
    for descriptor in os.listdir("/proc/self/fd"):
        try:
            found[os.readlink(f"/proc/self/fd/{descriptor}")] += 1
        except FileNotFoundError:  # the descriptor with which the directory was read
            continue
    return found


def child_processes() -> dict[int, str]:
    """Return this process's children, zombies included: their ids and their states with their names."""
    found = {}
    for thread in os.listdir("/proc/self/task"):
        try:
            children = Path(f"/proc/self/task/{thread}/children").read_text()
        except (FileNotFoundError, ProcessLookupError):  # the thread has ended
            continue
        for pid in children.split():
            try:
                fields = Path(f"/proc/{pid}/stat").read_text()
            except (FileNotFoundError, ProcessLookupError):
                continue
            name, state = fields.partition("(")[2].rpartition(")")[0], fields.rpartition(")")[2].split()[0]
            found[int(pid)] = f"{name} (pid {pid}, state {state})"
    return found


@pytest.fixture(autouse=True)
def nothing_left_over() -> Iterator[TaskWatch]:
    """Fail a test that leaves a descriptor, a child process or a task behind.

    Garbage is not collected first: what only the collector closes was not closed by its owner.
    """
    descriptors, children = open_descriptors(), child_processes()
    watch = TaskWatch()
    yield watch
    left_open = open_descriptors() - descriptors
    left_running = [name for pid, name in child_processes().items() if pid not in children]
    if left_open or left_running:
        gc.collect()  # so that the next test does not hear of this one's
    assert not left_open, f"descriptors left open: {dict(left_open)}"
    assert not left_running, f"children left: {left_running}"
    assert not watch.system_tasks, f"system tasks started: {watch.system_tasks}"


def _sockets_below(directory: Path) -> list[str]:
    return [
        str(Path(root, name))
        for root, _, names in os.walk(directory)
        for name in names
        if stat.S_ISSOCK(os.lstat(Path(root, name)).st_mode)
    ]


@pytest.fixture
def short_tmp() -> Iterator[Path]:
    """Give a new directory with a short path that other users may enter; its sockets must be gone at the end."""
    # Not below TMPDIR, which may be long: the path of a UNIX socket is at most 107 bytes.
    directory = Path(tempfile.mkdtemp(prefix="ct-", dir="/tmp"))
    directory.chmod(0o755)
    yield directory
    sockets = _sockets_below(directory)
    shutil.rmtree(directory)
    assert not sockets, f"sockets left: {sockets}"


@pytest.fixture
def runtime_dir(short_tmp: Path) -> Iterator[Path]:
    """Give the path of a server's runtime directory, not made yet, in which no session may be left afterwards."""
    directory = short_tmp / "run"
    yield directory
    left = [str(path) for path in directory.rglob("*") if path != directory / "sockets"]
    assert not left, f"left in the runtime directory: {left}"
