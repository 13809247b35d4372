"""Capacity: a thousand sessions and thousands of idle WebSockets: what each costs, and who else notices."""

from __future__ import annotations

import contextlib
import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import attrs

from scripts.bench.client import open_client
from scripts.bench.machine import own_resident_bytes, resident_bytes
from scripts.bench.peers import OURS, Peer, Site, control_socket, open_gateway, ours_command
from scripts.bench.results import Sample
from scripts.bench.sessions import LocalSession, open_sessions
from scripts.bench.stage import Bench
from scripts.bench.startup import QUICK_APPLICATION
from scripts.bench.steady import measure_steady
from scripts.bench.websocket import WebSocket
from scripts.private_sshd import PrivateSshd, SshdError, descendants, open_private_sshd

_STEADY_ROUTES = 10
_STEADY_RATE = 20.0  # requests a second of each
_WARM_UP = 50
_TIMED = 20  # registrations of which the median is taken, at the beginning and at the end
_SETTLE = 1.0  # seconds after which a server has dealt with what it was sent
_KIB = 1024


def measure_capacity(bench: Bench) -> None:
    """Report what a session and an idle WebSocket cost, and the latency with none of them and with all."""
    with _open_gateway(bench) as empty, _open_gateway(bench) as full, contextlib.ExitStack() as load:
        _add_sessions(bench, full, load)
        _add_websockets(bench, full, load)
        for _ in range(bench.rounds):
            for name, gateway in (("none", empty), ("all", full)):
                found = measure_steady(gateway.peer, gateway.steady, rate=_STEADY_RATE, seconds=bench.seconds)
                _report(bench, f"capacity-{name}-p50", found.p50 * 1e3)
                _report(bench, f"capacity-{name}-p99", found.p99 * 1e3)
    try:
        with open_private_sshd() as sshd:
            _measure_client(bench, sshd)
    except SshdError as error:
        bench.note(f"a client over SSH: {error}")


@attrs.frozen(kw_only=True)
class _Gateway:
    """A gateway with a few routes whose latency is measured; `hosts` are all others'."""

    peer: Peer
    control: Path
    steady: list[str]
    hosts: list[str] = attrs.field(factory=list)

    def memory(self) -> int:
        """Return how many bytes its process holds once it has come to rest."""
        time.sleep(_SETTLE)
        return resident_bytes(self.peer.pid or 0)


@contextlib.contextmanager
def _open_gateway(bench: Bench) -> Iterator[_Gateway]:
    site = Site(directory=bench.make_directory(), upstream=bench.origins.pages)
    with open_gateway(OURS.name, site, ours_command(site)) as process, contextlib.ExitStack() as stack:
        keys = [f"steady{number}" for number in range(_STEADY_ROUTES)]
        steady = [session.host for session in open_sessions(stack, control_socket(site), site.upstream, keys)]
        peer = Peer(name=OURS.name, address=site.port, host=steady[0], pid=process.pid)
        yield _Gateway(peer=peer, control=control_socket(site), steady=steady)


def _add_sessions(bench: Bench, gateway: _Gateway, load: contextlib.ExitStack) -> None:
    taken = []
    before = gateway.memory()
    for number in range(bench.sessions):
        begin = time.perf_counter()
        session = load.enter_context(LocalSession(gateway.control, bench.origins.websocket, f"session{number}"))
        taken.append(time.perf_counter() - begin)
        gateway.hosts.append(session.host)
    _report(bench, "registration-first", statistics.median(taken[:_TIMED]) * 1e3)
    _report(bench, "registration-last", statistics.median(taken[-_TIMED:]) * 1e3)
    _report(bench, "session-memory", (gateway.memory() - before) / bench.sessions / _KIB)


def _add_websockets(bench: Bench, gateway: _Gateway, load: contextlib.ExitStack) -> None:
    def open_some(count: int) -> int:
        for number in range(count):
            peer = attrs.evolve(gateway.peer, host=gateway.hosts[number % len(gateway.hosts)])
            load.enter_context(WebSocket(peer)).echo()
        return gateway.memory()

    before = open_some(_WARM_UP)  # what the first ones load is nobody's own
    _report(bench, "capacity-websocket-memory", (open_some(bench.websockets) - before) / bench.websockets / _KIB)


def _measure_client(bench: Bench, sshd: PrivateSshd) -> None:
    """Report the memory of a client on its own host, where the driver above needs none."""
    directory = bench.make_directory()
    site = Site(directory=directory, upstream=directory / "app")
    application: list[str | Path] = [sys.executable, "-IS", "-c", QUICK_APPLICATION, site.upstream]
    with (
        open_gateway(OURS.name, site, ours_command(site)),
        open_client(site, sshd, site.upstream, application) as client,
    ):
        time.sleep(_SETTLE)
        ssh = [pid for pid in descendants(client.pid) if Path(f"/proc/{pid}/comm").read_text().startswith("ssh")]
        _report(bench, "client-memory", own_resident_bytes(client.pid) / _KIB**2)
        _report(bench, "client-ssh-memory", sum(map(own_resident_bytes, ssh)) / _KIB**2)


def _report(bench: Bench, measure: str, value: float) -> None:
    bench.report(Sample(measure=measure, peer=OURS.name, value=value))
