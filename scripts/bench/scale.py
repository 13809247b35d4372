"""Scale: what a request costs beside ten times as many sessions, routes and idle connections, again and again."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from functools import partial

import attrs

from scripts.bench.load import run_load
from scripts.bench.machine import BenchError, connect
from scripts.bench.peers import (
    KEY,
    OURS,
    OURS_ON_PYPY,
    PYPY_SERVER,
    PYPY_WARM_UP,
    Peer,
    Site,
    control_socket,
    open_gateway,
    ours_command,
)
from scripts.bench.requests import figures
from scripts.bench.results import SCALES
from scripts.bench.sessions import LocalSession
from scripts.bench.stage import Bench, interleave

_NAMES = 10  # of each session, each of which is a route
_SETTLE = 3.0  # seconds after which a server has dealt with what came
_MOST_SESSIONS = 1_000_000  # of one user's: what bounds them is the files that may be open


@attrs.define(kw_only=True)
class Crowd:
    """What one gateway has beside the route that is measured; `load` ends it."""

    site: Site
    peer: Peer
    load: contextlib.ExitStack
    sessions: int = 0
    connections: int = 0

    def grow(self, count: int) -> None:
        """Have so many routes and idle connections; raises `BenchError` or OSError where there cannot be."""
        while self.sessions < max(1, count // _NAMES):
            key = f"session{self.sessions}"
            self.load.enter_context(LocalSession(control_socket(self.site), self.site.upstream, key))
            self.sessions += 1
        while self.connections < count:
            self.load.enter_context(contextlib.closing(connect(self.peer.address)))
            self.connections += 1


def measure_scale(bench: Bench) -> None:
    """Report requests a second and the processor's time for each, beside more and more of all that."""
    programs: dict[str, tuple[str | None, float]] = {OURS.name: (None, 0.0)}
    if OURS_ON_PYPY.name in {kind.name for kind in bench.kinds}:
        programs[OURS_ON_PYPY.name] = (PYPY_SERVER, PYPY_WARM_UP)
    with contextlib.ExitStack() as stack:
        crowds = []
        for name, (program, warm_up) in programs.items():
            site = Site(directory=bench.make_directory(), upstream=bench.origins.pages)
            crowds.append(open_crowd(name, site, stack, program, warm_up))
        for count in SCALES:
            for crowd in crowds:
                try:
                    crowd.grow(count)
                except (BenchError, OSError) as error:
                    found = f"{crowd.sessions * _NAMES} routes and {crowd.connections} connections"
                    bench.note(f"{crowd.peer.name}: {found}, not {count}: {error}")
            time.sleep(_SETTLE)
            interleave(bench, [crowd.peer for crowd in crowds], partial(_measure, bench, f"scale-{count}"))


def _measure(bench: Bench, name: str, peer: Peer) -> Mapping[str, float]:
    return figures(name, run_load(peer, bench.seconds))


def open_crowd(
    name: str, site: Site, stack: contextlib.ExitStack, program: str | None = None, warm_up: float = 0.0
) -> Crowd:
    """Run one of our gateways, which gives each session several names, until `stack` ends."""
    command = ours_command(site, program)
    for number in range(1, _NAMES):
        command += ["-d", f"{{key}}-{{user}}.n{number}.localhost"]
    command += ["--max-user-sessions", str(_MOST_SESSIONS), "--max-user-new-sessions", str(_MOST_SESSIONS)]
    process = stack.enter_context(open_gateway(name, site, command))
    session = stack.enter_context(LocalSession(control_socket(site), site.upstream, KEY))
    peer = Peer(name=name, address=site.port, host=session.host, pid=process.pid, warm_up=warm_up)
    return Crowd(site=site, peer=peer, load=stack.enter_context(contextlib.ExitStack()))
