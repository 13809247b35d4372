"""What all parts share: the applications, the peers, and how rounds are interleaved."""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import attrs

from scripts.bench.machine import BenchError
from scripts.bench.origins import Origins
from scripts.bench.peers import Certificate, Kind, Peer, Site
from scripts.bench.results import Sample


@attrs.frozen(kw_only=True)
class Bench:
    """How to measure, with what, and where to tell what comes out."""

    directory: Path
    origins: Origins
    kinds: Sequence[Kind]
    rounds: int
    seconds: int
    volume: int  # bytes of a download or an upload
    idle: int  # WebSockets of which the cost of one is taken
    sessions: int  # at once, for the capacity
    websockets: int  # at once, spread over those
    original: str | None
    report: Callable[[Sample], None]
    note: Callable[[str], None]

    def make_directory(self) -> Path:
        """Return a fresh directory; its path is short, since those of UNIX sockets have 107 bytes at most."""
        return Path(tempfile.mkdtemp(dir=self.directory))


@contextlib.contextmanager
def open_peers(
    bench: Bench, upstream: Path, *, upstream_port: int | None = None, certificate: Certificate | None = None
) -> Iterator[list[Peer]]:
    """Run all peers in front of that application; who does not start is noted and left out."""
    with contextlib.ExitStack() as stack:
        peers = []
        for kind in bench.kinds:
            if kind.needs_port and upstream_port is None:
                continue
            site = Site(
                directory=bench.make_directory(),
                upstream=upstream,
                upstream_port=upstream_port,
                certificate=certificate,
            )
            try:
                peers.append(stack.enter_context(kind.open(site)))
            except (BenchError, OSError) as error:
                bench.note(f"{kind.title}: {error}")
        yield peers


def interleave(
    bench: Bench,
    peers: Sequence[Peer],
    measure: Callable[[Peer], Mapping[str, float]],
    work: Callable[[Peer], object] | None = None,
) -> None:
    """Measure each peer once in each round, each round beginning with another one.

    Who has to warm up does as it is measured before the first round, or that `work`, for as long as it needs. Who
    fails is noted, and left out from then on.
    """
    failed = set()
    for peer in peers:
        end = time.monotonic() + peer.warm_up
        with contextlib.suppress(BenchError, OSError):  # as it will again in the first round, which tells
            while time.monotonic() < end:
                (work or measure)(peer)
    for number in range(bench.rounds):
        first = number % max(1, len(peers))
        for peer in [*peers[first:], *peers[:first]]:
            if peer.name in failed:
                continue
            try:
                found = measure(peer)
            except (BenchError, OSError) as error:
                bench.note(f"{peer.name}: {error}")
                failed.add(peer.name)
            else:
                for name, value in found.items():
                    bench.report(Sample(measure=name, peer=peer.name, value=value))
