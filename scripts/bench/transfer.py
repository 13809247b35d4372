"""Large downloads and uploads, with a client that does nothing but move bytes."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Mapping
from pathlib import Path

from scripts.bench.load import browser_headers
from scripts.bench.machine import BenchError, connect
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
    with open_peers(bench, origins.pages, upstream_port=origins.pages_port) as peers:
        interleave(bench, [*peers, direct(origins.pages)], lambda peer: download("download", peer, bench.volume))
    with open_peers(bench, origins.upload) as peers:
        interleave(bench, [*peers, direct(origins.upload)], lambda peer: upload("upload", peer, bench.volume))


def direct(application: Path) -> Peer:
    """Return the application itself, to be measured as if it were a proxy."""
    return Peer(name=DIRECT, address=application)


def download(name: str, peer: Peer, volume: int) -> Mapping[str, float]:
    """Return the speed of a download as a figure of that name; raises `BenchError` unless all of it comes."""
    begin = time.monotonic()
    with connect(peer.address) as sock:
        sock.sendall(_head(peer, "GET"))
        length, received = _read_head(sock)
        if length != volume:
            raise BenchError(f"a download of {length} bytes where {volume} were asked for")
        block = memoryview(bytearray(_BLOCK))
        while received < volume and (size := sock.recv_into(block)):
            received += size
            _check_time(begin)
    if received != volume:
        raise BenchError(f"a download ended after {received} bytes")
    return {name: volume / (time.monotonic() - begin) / 1e9}


def upload(name: str, peer: Peer, volume: int) -> Mapping[str, float]:
    """Return the speed of an upload, until it is answered, as a figure of that name; raises `BenchError`."""
    begin = time.monotonic()
    block = memoryview(bytearray(_BLOCK))
    with connect(peer.address) as sock:
        sock.sendall(_head(peer, "POST", f"Content-Length: {volume}"))
        left = volume
        while left:
            size = sock.send(block[: min(left, _BLOCK)])
            left -= size
            _check_time(begin)
        _read_head(sock)
    return {name: volume / (time.monotonic() - begin) / 1e9}


def _head(peer: Peer, method: str, *fields: str) -> bytes:
    lines = [f"{method} {DOWNLOAD_PATH} HTTP/1.1", *browser_headers(peer.host), *fields]
    return "\r\n".join([*lines, "", ""]).encode()


def _read_head(sock: socket.socket) -> tuple[int, int]:
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
