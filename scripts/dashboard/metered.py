"""The gateway, with a meter: what the processor does in each step of a dashboard's tasks, written at the end.

``python -m scripts.dashboard.metered FILE [OPTION OF THE SERVER]…``
"""

from __future__ import annotations

import functools
import json
import sys
import time
from pathlib import Path

import attrs
import trio

from conductor_trio.limits.constants import LOOP_DELAY_GOAL
from conductor_trio.server.cli.main import main

#: The tasks that work for dashboards; a desk reads in the task of its connection.
_TASKS = ("dashboard", "dashboard updates", "visitor")


@attrs.define(eq=False)
class StepMeter(trio.abc.Instrument):
    """Measures the steps of those tasks by the thread's own clock, on which no other process has a share."""

    steps: int = 0
    longest: float = 0.0
    too_long: int = 0
    total: float = 0.0
    _since: float = 0.0

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        """Begin (called by Trio)."""
        self._since = time.thread_time()

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        """Make an end of it (called by Trio)."""
        if task.name in _TASKS:
            used = time.thread_time() - self._since
            self.steps += 1
            self.total += used
            self.longest = max(self.longest, used)
            self.too_long += used > LOOP_DELAY_GOAL

    def write(self, file: Path) -> None:
        """Write what was measured."""
        told = {"steps": self.steps, "longest": self.longest, "tooLong": self.too_long, "total": self.total}
        file.write_text(json.dumps(told))


def serve(file: Path, options: list[str]) -> int:
    """Run the server with a meter."""
    meter = StepMeter()
    vars(trio)["run"] = functools.partial(trio.run, instruments=[meter])  # which `main` calls
    try:
        return main(options)
    finally:
        meter.write(file)


if __name__ == "__main__":
    sys.exit(serve(Path(sys.argv[1]), sys.argv[2:]))
