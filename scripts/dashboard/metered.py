"""The gateway, with sessions that have no clients, and with a meter of the steps of a dashboard's tasks.

``python -m scripts.dashboard.metered FILE SESSIONS APPLICATION [OPTION OF THE SERVER]…``; at the end the file has
what was measured.
"""

from __future__ import annotations

import functools
import json
import sys
import time
from pathlib import Path

import attrs
import trio

from conductor_trio.access.grants import Access
from conductor_trio.access.tokens import hash_token
from conductor_trio.limits.constants import LOOP_DELAY_GOAL
from conductor_trio.server import app
from conductor_trio.server.app import Planes
from conductor_trio.server.cli.main import main
from conductor_trio.server.routing.routes import Route
from conductor_trio.server.routing.states import Live
from scripts.bench.sessions import TOKEN

_USERS, _NODES = 900, 60

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


def session_host(number: int) -> str:
    """Return the host name of one of the sessions."""
    return f"session{number:05}-user{number % _USERS:03}.localhost"


def add_sessions(planes: Planes, count: int, application: str) -> Planes:
    """Put so many sessions into the route table, of many users, as if their clients had registered them."""
    for number in range(count):
        user, key = f"user{number % _USERS:03}", f"session{number:05}"
        route = Route(
            id=key,
            user=user,
            key=key,
            hosts=(session_host(number),),
            access=Access(owner_hash=hash_token(TOKEN.encode())),
            state=Live(since=time.time() - count + number),
            relay_path=application,
            node=f"node{number % _NODES:02}",
        )
        planes.routes.register(route)
    return planes


def serve(file: Path, count: int, application: str, options: list[str]) -> int:
    """Run the server with a meter and so many sessions."""
    meter, make_planes = StepMeter(), app.make_planes
    vars(trio)["run"] = functools.partial(trio.run, instruments=[meter])  # which `main` calls
    vars(app)["make_planes"] = lambda *given: add_sessions(make_planes(*given), count, application)
    try:
        return main(options)
    finally:
        meter.write(file)


if __name__ == "__main__":
    sys.exit(serve(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4:]))
