"""Visitors of several routes who come at a slow, steady rate, whatever the gateway has to do otherwise."""

from __future__ import annotations

import random
import statistics
import threading
import time
from collections.abc import Sequence

import attrs

from scripts.bench.load import browser_headers
from scripts.bench.machine import BenchError, connect
from scripts.bench.peers import Peer
from scripts.bench.transfer import read_head

_READ_SIZE = 65536
_PERCENTILES = 100


@attrs.frozen(kw_only=True)
class Latency:
    """Seconds from a request to the end of its answer."""

    p50: float
    p99: float


def measure_steady(peer: Peer, hosts: Sequence[str], *, rate: float, seconds: float) -> Latency:
    """Return how long requests take that come `rate` times a second to each host; raises `BenchError`.

    Each host has one visitor with a kept connection, and each request a random moment within its interval. One
    that is due while the answer before is still awaited waits from that moment on: the load is open, as of many
    people.
    """
    taken: list[float] = []
    failures: list[Exception] = []

    def visit(host: str) -> None:
        try:
            taken.extend(_visit(attrs.evolve(peer, host=host), rate, seconds))
        except (BenchError, OSError) as error:
            failures.append(error)

    visitors = [threading.Thread(target=visit, args=(host,)) for host in hosts]
    for visitor in visitors:
        visitor.start()
    for visitor in visitors:
        visitor.join()
    if failures:
        raise BenchError(f"of {len(hosts)} steady visitors {len(failures)} failed: {failures[0]}")
    return Latency(p50=statistics.median(taken), p99=statistics.quantiles(taken, n=_PERCENTILES)[-1])


def _visit(peer: Peer, rate: float, seconds: float) -> list[float]:
    request = "\r\n".join(["GET /api/status HTTP/1.1", *browser_headers(peer.host), "", ""]).encode()
    taken = []
    with connect(peer.address) as sock:
        begin = time.perf_counter()
        for number in range(round(rate * seconds)):
            start = begin + (number + random.random()) / rate
            pause = start - time.perf_counter()
            if pause > 0:
                time.sleep(pause)
                start = time.perf_counter()  # to oversleep is nobody's latency
            sock.sendall(request)
            length, received = read_head(sock)
            while received < length and (chunk := sock.recv(_READ_SIZE)):
                received += len(chunk)
            if received != length:
                raise BenchError(f"an answer of {received} bytes where {length} were announced")
            taken.append(time.perf_counter() - start)
    return taken
