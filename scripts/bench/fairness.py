"""Fairness: how long the requests of nine quiet routes take, alone and beside a hot one, or an attacker."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import attrs

from scripts.attackers.ways import ATTACKS
from scripts.bench.load import CONNECTIONS, load_command
from scripts.bench.machine import BenchError, open_process
from scripts.bench.origins import DOWNLOAD_PATH, open_origins
from scripts.bench.peers import OURS, Peer, Site, control_socket, open_gateway, ours_command
from scripts.bench.results import Sample
from scripts.bench.sessions import LocalSession, open_sessions
from scripts.bench.stage import Bench
from scripts.bench.steady import Latency, measure_steady

QUIET_ROUTES = 9
QUIET_RATE = 20.0  # requests a second of each
_WARM_UP = 1.0  # seconds until a load is under way
_OWN = ("lists", "chunks", "sessions")  # also by the quiet routes' own user
_USERS = "nobody,daemon,bin,games,man,mail,news,backup"  # who exist on Debian
_DOWNLOADS = 8
_PENDING = 500
_SLOW_READERS = 64
_DOWNLOAD_SIZE = 64 * 1024 * 1024


@attrs.frozen(kw_only=True)
class _Stage:
    gateway: Peer
    quiet: list[str]
    hot: str  # the host of a route whose application has pages and downloads
    pending: str  # and of one that answers late
    control: Path
    directory: Path


def measure_fairness(bench: Bench) -> None:
    """Report the quiet routes' latency beside each hot route and attacker, and how many times that alone it is.

    Alone is measured right before each, and attackers are another user, where root may make them one. They take
    processors from everybody, the measurement included, whatever the gateway does; so it is also told how many
    times the latency is that beside the same attack on another gateway of this machine.
    """
    heats: dict[str, Callable[[_Stage], list[str]]] = {
        "flood": lambda stage: _wrk(stage, stage.hot, CONNECTIONS),
        "downloads": lambda stage: _wrk(stage, stage.hot, _DOWNLOADS, DOWNLOAD_PATH),
        "pending": lambda stage: _wrk(stage, stage.pending, _PENDING),
        "unread": _slow_readers,
        **{attack: partial(_attackers, [attack], "nobody") for attack in ATTACKS},
    }
    if os.geteuid() == 0:
        heats |= {f"own-{attack}": partial(_attackers, [attack], "root") for attack in _OWN}
        # With pauses: eight programs that send without any take the machine's processors. Of these the gateway
        # gets a tenth, and an equal part of that is less than the quiet ones want, whatever it does.
        heats["users"] = partial(_attackers, ["chunks", "uploads", "tunnels"], _USERS, pause=0.02)
    with _open_stage(bench) as stage, _open_stage(bench) as elsewhere:
        for _ in range(bench.rounds):
            for heat, command in heats.items():
                alone = _measure(bench, stage)
                with _loaded(elsewhere, heat, command):
                    beside_others = _measure(bench, stage)
                with _loaded(stage, heat, command):
                    beside = _measure(bench, stage)
                _report_latency(bench, "alone", alone)
                _report_latency(bench, heat, beside)
                _report(bench, f"fairness-{heat}-ratio", beside.p50 / alone.p50)
                _report(bench, f"fairness-{heat}-elsewhere", beside.p50 / beside_others.p50)


@contextlib.contextmanager
def _loaded(stage: _Stage, heat: str, command: Callable[[_Stage], list[str]]) -> Iterator[None]:
    """Have a load under way within, which is to last."""
    log = stage.directory / heat
    with open_process(command(stage), log) as load:
        time.sleep(_WARM_UP)
        yield
        if load.poll() is not None:
            raise BenchError(f"the load of {heat} ended: {log.read_text(errors='replace')[-200:]}")


def _measure(bench: Bench, stage: _Stage) -> Latency:
    return measure_steady(stage.gateway, stage.quiet, rate=QUIET_RATE, seconds=bench.seconds)


def _report_latency(bench: Bench, name: str, found: Latency) -> None:
    _report(bench, f"fairness-{name}-p50", found.p50 * 1e3)
    _report(bench, f"fairness-{name}-p99", found.p99 * 1e3)


def _report(bench: Bench, measure: str, value: float) -> None:
    bench.report(Sample(measure=measure, peer=OURS.name, value=value))


@contextlib.contextmanager
def _open_stage(bench: Bench) -> Iterator[_Stage]:
    """Run a gateway with all routes; the hot ones share no application with the quiet ones."""
    site = Site(directory=bench.make_directory(), upstream=bench.origins.pages)
    control = control_socket(site)
    for directory in (bench.directory, site.directory):
        directory.chmod(0o711)  # attackers are another user
    with (
        open_origins(bench.make_directory(), _DOWNLOAD_SIZE) as hot,
        open_gateway(OURS.name, site, ours_command(site)) as gateway,
        LocalSession(control, hot.pages, "hot") as flooded,
        LocalSession(control, hot.slow, "late") as pending,
        contextlib.ExitStack() as stack,
    ):
        keys = [f"quiet{number}" for number in range(QUIET_ROUTES)]
        quiet = open_sessions(stack, control, site.upstream, keys)
        yield _Stage(
            gateway=Peer(name=OURS.name, address=site.port, host=flooded.host, pid=gateway.pid),
            quiet=[session.host for session in quiet],
            hot=flooded.host,
            pending=pending.host,
            control=control,
            directory=site.directory,
        )


def _wrk(stage: _Stage, host: str, connections: int, target: str = "/api/status") -> list[str]:
    """Return the command of a load without end."""
    peer = attrs.evolve(stage.gateway, host=host)
    return load_command(peer, 3600, connections=connections, target=target)


def _slow_readers(stage: _Stage) -> list[str]:
    arguments = [str(stage.gateway.address), stage.hot, DOWNLOAD_PATH, str(_SLOW_READERS)]
    return [sys.executable, "-m", "scripts.bench.slow_readers", *arguments]


def _attackers(attacks: Sequence[str], users: str, stage: _Stage, pause: float = 0.0) -> list[str]:
    arguments = [str(stage.gateway.address), str(stage.control), *attacks, "--users", users, "--pause", str(pause)]
    return [sys.executable, "-m", "scripts.attackers", *arguments]
