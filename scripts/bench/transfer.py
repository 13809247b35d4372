"""Large downloads and uploads, with a client that does nothing but move bytes."""

from __future__ import annotations

import contextlib
import re
import socket
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from scripts.bench.load import browser_headers
from scripts.bench.machine import BenchError, connect, cpu_seconds
from scripts.bench.origins import DOWNLOAD_PATH
from scripts.bench.peers import Peer
from scripts.bench.stage import Bench, interleave, open_peers

_BLOCK = 1024 * 1024
_MAX_HEAD = 64 * 1024
_LENGTH = re.compile(rb"\r\ncontent-length: *([0-9]+)", re.IGNORECASE)
_DEADLINE = 60.0
DIRECT = "direct"


def measure_transfer(bench: Bench) -> None:
    """Report how many gigabytes a second come down and go up; `direct` is without any proxy."""
    origins = bench.origins
    warm_up(bench)
    with open_peers(bench, origins.pages, upstream_port=origins.pages_port) as peers:
        interleave(bench, [*peers, direct(origins.pages)], lambda peer: download("download", peer, bench.volume))
    with open_peers(bench, origins.upload) as peers:
        interleave(bench, [*peers, direct(origins.upload)], lambda peer: upload("upload", peer, bench.volume))


def warm_up(bench: Bench) -> None:
    """Have the file in the kernel's memory, or the first download would be slower than the others."""
    download("warm-up", direct(bench.origins.pages), bench.volume)


def direct(application: Path) -> Peer:
    """Return the application itself, to be measured as if it were a proxy."""
    return Peer(name=DIRECT, address=application)


def download(name: str, peer: Peer, volume: int) -> Mapping[str, float]:
    """Return a download's speed and cost as figures of that name; raises `BenchError` unless all of it comes."""
    with _measured(name, peer, volume) as figures, connect(peer.address) as sock:
        begin = time.monotonic()
        sock.sendall(_head(peer, "GET"))
        length, received = read_head(sock)
        if length != volume:
            raise BenchError(f"a download of {length} bytes where {volume} were asked for")
        block = memoryview(bytearray(_BLOCK))
        while received < volume and (size := sock.recv_into(block)):
            received += size
            _check_time(begin)
        if received != volume:
            raise BenchError(f"a download ended after {received} bytes")
    return figures


def upload(name: str, peer: Peer, volume: int) -> Mapping[str, float]:
    """Return the same of an upload, until it is answered; raises `BenchError`."""
    block = memoryview(bytearray(_BLOCK))
    with _measured(name, peer, volume) as figures, connect(peer.address) as sock:
        begin = time.monotonic()
        sock.sendall(_head(peer, "POST", f"Content-Length: {volume}"))
        left = volume
        while left:
            size = sock.send(block[: min(left, _BLOCK)])
            left -= size
            _check_time(begin)
        read_head(sock)
    return figures


@contextlib.contextmanager
def _measured(name: str, peer: Peer, volume: int) -> Iterator[dict[str, float]]:
    """Give figures that are filled in on leaving: the speed and, of a proxy, the processor's time."""
    figures: dict[str, float] = {}
    before = cpu_seconds(peer.pid) if peer.pid else 0.0
    begin = time.monotonic()
    yield figures
    gigabytes = volume / 1e9
    figures[name] = gigabytes / (time.monotonic() - begin)
    if peer.pid:
        figures[f"{name}-cpu"] = (cpu_seconds(peer.pid) - before) * 1e3 / gigabytes


def _head(peer: Peer, method: str, *fields: str) -> bytes:
    lines = [f"{method} {DOWNLOAD_PATH} HTTP/1.1", *browser_headers(peer.host), *fields]
    return "\r\n".join([*lines, "", ""]).encode()


def read_head(sock: socket.socket) -> tuple[int, int]:
    """Return the length that an answer announces, and how much of its body has come already."""
    head = b""
    while b"\r\n\r\n" not in head:
        chunk = sock.recv(_MAX_HEAD)
        if not chunk or len(head) > _MAX_HEAD:
            raise BenchError("the connection ended before an answer")
        head += chunk
    head, _, body = head.partition(b"\r\n\r\n")
    length = _LENGTH.search(head)
    if b" 200 " not in head.partition(b"\r\n")[0] or length is None:
        raise BenchError(f"the answer was {head[:60]!r}")
    return int(length[1]), len(body)


def _check_time(begin: float) -> None:
    if time.monotonic() - begin > _DEADLINE:
        raise BenchError(f"it took longer than {_DEADLINE:.0f} s")
