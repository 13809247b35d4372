"""The whole chain through OpenSSH: a gateway and the client, beside nginx in front of a bare ``ssh -R``."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import attrs

from scripts.bench.client import open_client
from scripts.bench.load import run_load
from scripts.bench.machine import BenchError, is_listening, open_process, wait_until
from scripts.bench.peers import (
    OURS,
    OURS_ON_PYPY,
    PYPY_SERVER,
    PYPY_WARM_UP,
    Peer,
    Site,
    open_gateway,
    open_nginx,
    original_command,
    ours_command,
)
from scripts.bench.requests import figures
from scripts.bench.stage import Bench, interleave
from scripts.bench.transfer import direct, download, upload, warm_up
from scripts.private_sshd import PrivateSshd, SshdError, open_private_sshd

# The application runs already: this gives its socket the name that the client waits for.
_LINK = "import os, signal, sys; os.link(sys.argv[1], sys.argv[2]); signal.pause()"


def measure_chain(bench: Bench) -> None:
    """Report requests a second, downloads and uploads through SSH; `direct` is ``ssh -R`` without a gateway."""
    warm_up(bench)
    try:
        with open_private_sshd() as sshd:
            with _open_chains(bench, sshd, bench.origins.pages) as peers:
                gateways = [peer for peer in peers if peer.pid is not None]
                interleave(bench, gateways, lambda peer: figures("chain", run_load(peer, bench.seconds)))
                interleave(bench, peers, lambda peer: download("chain-download", peer, bench.volume))
            with _open_chains(bench, sshd, bench.origins.upload) as peers:
                interleave(bench, peers, lambda peer: upload("chain-upload", peer, bench.volume))
    except SshdError as error:
        bench.note(f"the chain over SSH: {error}")


@contextlib.contextmanager
def _open_chains(bench: Bench, sshd: PrivateSshd, application: Path) -> Iterator[list[Peer]]:
    def site() -> Site:
        return Site(directory=bench.make_directory(), upstream=application)

    names = {kind.name for kind in bench.kinds}
    chains: list[tuple[str, Callable[[], AbstractContextManager[Peer]]]] = []
    if OURS.name in names:
        chains.append((OURS.name, lambda: _open_chain(OURS.name, site(), ours_command, sshd)))
    if OURS_ON_PYPY.name in names:
        chains.append((OURS_ON_PYPY.name, lambda: _open_pypy_chain(site(), sshd)))
    if (template := bench.original) is not None:
        chains.append(
            ("original", lambda: _open_chain("original", site(), lambda at: original_command(template, at), sshd))
        )
    if "nginx" in names:
        chains.append(("nginx", lambda: _open_nginx_chain(site(), sshd)))
    with contextlib.ExitStack() as stack:
        peers = []
        for name, open_one in chains:
            try:
                peers.append(stack.enter_context(open_one()))
            except (BenchError, OSError) as error:
                bench.note(f"{name} over SSH: {error}")
        relay = bench.make_directory() / "relay"
        with _forwarded(relay, application, sshd):
            yield [*peers, direct(relay)]


@contextlib.contextmanager
def _open_chain(name: str, site: Site, command: Callable[[Site], list[str]], sshd: PrivateSshd) -> Iterator[Peer]:
    """Run a gateway, and our client, which offers the application there over SSH."""
    local_socket = site.directory / "app"
    application: list[str | Path] = [sys.executable, "-IS", "-c", _LINK, site.upstream, local_socket]
    with (
        open_gateway(name, site, command(site)) as gateway,
        open_client(site, sshd, local_socket, application) as client,
    ):
        yield Peer(name=name, address=site.port, host=client.host, pid=gateway.pid)


@contextlib.contextmanager
def _open_pypy_chain(site: Site, sshd: PrivateSshd) -> Iterator[Peer]:
    """Run our gateway on PyPy; the client stays where it is."""
    with _open_chain(OURS_ON_PYPY.name, site, lambda at: ours_command(at, PYPY_SERVER), sshd) as peer:
        yield attrs.evolve(peer, warm_up=PYPY_WARM_UP)


@contextlib.contextmanager
def _open_nginx_chain(site: Site, sshd: PrivateSshd) -> Iterator[Peer]:
    """Run nginx in front of a socket that sshd listens on."""
    relay = site.directory / "relay"
    with (
        _forwarded(relay, site.upstream, sshd),
        open_nginx(attrs.evolve(site, upstream=relay)) as peer,
    ):
        yield peer


@contextlib.contextmanager
def _forwarded(relay: Path, application: Path, sshd: PrivateSshd) -> Iterator[None]:
    """Have sshd listen at `relay`, and carry each connection to the application."""
    command = [
        str(sshd.me.directory / "bin" / "ssh"),
        "-N",
        "-T",
        "-o",
        "BatchMode=yes",
        "-o",
        "ExitOnForwardFailure=yes",
        "-p",
        str(sshd.port),
    ]
    command += ["-R", f"{relay}:{application}", "localhost"]
    log = relay.with_name("ssh")
    with open_process(command, log) as process:
        wait_until(lambda: is_listening(relay), process, log, "ssh -R")
        yield
