"""Requests a second, the processor's time for each, and how long one takes at half load."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import trustme

from scripts.bench.load import CONNECTIONS, Outcome, distinct, run_load, think
from scripts.bench.peers import Certificate, Peer
from scripts.bench.stage import Bench, interleave, open_peers


def measure_keepalive(bench: Bench) -> None:
    """Report how many requests a second come through on kept connections, all of them the same."""
    _measure_plain(bench, "keepalive")


def measure_distinct(bench: Bench) -> None:
    """Report how many come through where no two targets and no two header blocks are the same."""
    with open_peers(bench, bench.origins.pages, upstream_port=bench.origins.pages_port) as peers:
        interleave(bench, peers, lambda peer: figures("distinct", run_load(peer, bench.seconds, mode=distinct())))


def measure_close(bench: Bench) -> None:
    """Report how many come through where each has a connection of its own."""
    _measure_plain(bench, "close", "Connection: close")


def measure_tls(bench: Bench) -> None:
    """Report how many come through on kept TLS connections."""
    certificate = make_certificate(bench.make_directory())
    upstream, port = bench.origins.pages, bench.origins.pages_port
    with open_peers(bench, upstream, upstream_port=port, certificate=certificate) as peers:
        interleave(bench, peers, lambda peer: figures("tls", run_load(peer, bench.seconds, tls=True)))


def measure_latency(bench: Bench) -> None:
    """Report how long requests take that come at half the rate that the peer can take, at random times.

    Each of the connections pauses for an exponentially distributed time before each request, as people do of whom
    none clicks again before the answer is there. A queue is therefore never longer than the connections.
    """
    with open_peers(bench, bench.origins.pages, upstream_port=bench.origins.pages_port) as peers:
        most: dict[str, float] = {}

        def measure(peer: Peer) -> Mapping[str, float]:
            if peer.name not in most:
                most[peer.name] = run_load(peer, bench.seconds).rate
            outcome = run_load(peer, bench.seconds, mode=think(pause_for_half(most[peer.name])))
            return {
                "latency-rate": outcome.rate,
                "latency-p50": outcome.p50 * 1e3,
                "latency-p99": outcome.p99 * 1e3,
                "latency-cpu": outcome.cpu_per_request * 1e6,
            }

        interleave(bench, peers, measure, lambda peer: run_load(peer, bench.seconds))


def pause_for_half(most: float) -> float:
    """Return how many seconds each connection pauses so that all together send half of that many a second."""
    # A connection's cycle is the pause and the answer, which at half load takes about twice the time it occupies
    # the proxy.
    return (CONNECTIONS * 2 - 2) / most


def figures(name: str, outcome: Outcome) -> dict[str, float]:
    """Return a load's two figures by their measures' names."""
    return {name: outcome.rate, f"{name}-cpu": outcome.cpu_per_request * 1e6}


def _measure_plain(bench: Bench, name: str, *headers: str) -> None:
    with open_peers(bench, bench.origins.pages, upstream_port=bench.origins.pages_port) as peers:
        interleave(bench, peers, lambda peer: figures(name, run_load(peer, bench.seconds, headers=headers)))


def make_certificate(directory: Path) -> Certificate:
    """Write a certificate for this host that nobody vouches for."""
    issued = trustme.CA().issue_cert("localhost", "*.localhost", "127.0.0.1")
    certificate = Certificate(chain=directory / "chain", key=directory / "key", both=directory / "both")
    blobs: Sequence[bytes] = [blob.bytes() for blob in issued.cert_chain_pems]
    certificate.chain.write_bytes(b"".join(blobs))
    issued.private_key_pem.write_to_path(str(certificate.key))
    issued.private_key_and_cert_chain_pem.write_to_path(str(certificate.both))
    return certificate
