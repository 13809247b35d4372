"""An application that knows only TCP ports, in a network of its own: what the relay to its port costs."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator, Mapping
from pathlib import Path

import attrs

from conductor_trio.client.isolation.plan import PortPlan, choose_port
from scripts.bench.load import run_load
from scripts.bench.machine import is_listening, open_process, wait_until
from scripts.bench.origins import pages_command
from scripts.bench.peers import OURS, Peer, Site
from scripts.bench.stage import Bench, interleave
from scripts.bench.transfer import DIRECT, download, warm_up

# As root, it would have workers that give up root's groups, which nobody can in a user namespace.
_HEAD = "master_process off;"


def measure_tcp(bench: Bench) -> None:
    """Report requests a second through our gateway, and downloads without it.

    `direct` is the same application, in the same network namespace, by a UNIX socket of its own.
    """
    warm_up(bench)
    with _open_application(bench) as sockets, contextlib.ExitStack() as stack:
        peers = [Peer(name=name, address=socket) for name, socket in sockets.items()]
        interleave(bench, peers, lambda peer: download("tcp-download", peer, bench.volume))
        gateways = []
        for name, socket in sockets.items():
            site = Site(directory=bench.make_directory(), upstream=socket)
            gateways.append(attrs.evolve(stack.enter_context(OURS.open(site)), name=name))
        interleave(bench, gateways, lambda peer: {"tcp": run_load(peer, bench.seconds).rate})


@contextlib.contextmanager
def _open_application(bench: Bench) -> Iterator[Mapping[str, Path]]:
    """Run nginx behind the relay, and give the relay's socket and nginx's own."""
    directory = bench.make_directory()
    relayed, own, log = directory / "relayed", directory / "own", directory / "log"
    plan = PortPlan(port=choose_port(shared=False))
    nginx = pages_command(directory, own, plan.port, bench.directory / "file", _HEAD)
    with open_process(plan.wrap(nginx, str(relayed)), log) as process:
        try:
            for socket in (relayed, own):
                wait_until(lambda: is_listening(socket), process, log, "the relay")  # noqa: B023
                socket.chmod(0o660)  # as a relay socket has to be
            yield {OURS.name: relayed, DIRECT: own}
        finally:
            os.killpg(process.pid, signal.SIGTERM)
