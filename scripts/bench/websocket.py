"""WebSockets: how long an echo takes, and what an idle one costs in memory."""

from __future__ import annotations

import contextlib
import os
import statistics
import time
from types import TracebackType

from scripts.bench.load import browser_headers
from scripts.bench.machine import BenchError, connect, cpu_seconds, resident_bytes
from scripts.bench.peers import Peer
from scripts.bench.results import Sample
from scripts.bench.stage import Bench, interleave, open_peers
from scripts.bench.transfer import direct

_MESSAGE = bytes(range(100))  # below 126 bytes a frame has the short head
_WARM_UP = 50
_MAX_ECHOES = 5000
_SETTLE = 1.0  # seconds after which a server has dealt with what it was sent
_READ_SIZE = 65536


class WebSocket:
    """A connection that sends binary messages and awaits the same back (RFC 6455 section 5.2)."""

    def __init__(self, peer: Peer) -> None:
        self._socket = connect(peer.address)
        fields = ["Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13"]
        fields += ["Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==", f"Origin: http://{peer.host}"]
        lines = ["GET /api/kernels/channels HTTP/1.1", *browser_headers(peer.host), *fields, "", ""]
        self._socket.sendall("\r\n".join(lines).encode())
        answer = b""
        while b"\r\n\r\n" not in answer:
            chunk = self._socket.recv(_READ_SIZE)
            answer += chunk
            if not chunk or not answer.startswith(b"HTTP/1.1 101 "[: len(answer)]):
                self._socket.close()
                raise BenchError(f"no WebSocket: {answer[:60]!r}")

    def __enter__(self) -> WebSocket:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        self._socket.close()

    def echo(self) -> float:
        """Return how many seconds a message takes there and back; raises `BenchError` unless it is the same."""
        mask = os.urandom(4)
        masked = bytes(byte ^ mask[index % 4] for index, byte in enumerate(_MESSAGE))
        frame = bytes([0x82, 0x80 | len(masked)]) + mask + masked
        expected = bytes([0x82, len(_MESSAGE)]) + _MESSAGE
        begin = time.perf_counter()
        self._socket.sendall(frame)
        answer = self._socket.recv(_READ_SIZE)
        while answer and len(answer) < len(expected):
            answer += self._socket.recv(_READ_SIZE)
        taken = time.perf_counter() - begin
        if answer != expected:
            raise BenchError(f"the echo was {answer[:60]!r}")
        return taken


def measure_websocket(bench: Bench) -> None:
    """Report how long an echo takes on a kept connection; `direct` is without any proxy."""

    with open_peers(bench, bench.origins.websocket) as peers:
        interleave(
            bench, [*peers, direct(bench.origins.websocket)], lambda peer: _measure_echo(peer, bench.seconds)
        )


def _measure_echo(peer: Peer, seconds: float) -> dict[str, float]:
    """Return an echo's times and, of a proxy, the processor's time."""
    with WebSocket(peer) as websocket:
        for _ in range(_WARM_UP):
            websocket.echo()
        taken: list[float] = []
        before = cpu_seconds(peer.pid) if peer.pid else 0.0
        end = time.monotonic() + seconds
        while len(taken) < _MAX_ECHOES and time.monotonic() < end:
            taken.append(websocket.echo())
        cpu = cpu_seconds(peer.pid) - before if peer.pid else 0.0
    figures = {"websocket": statistics.median(taken), "websocket-p99": statistics.quantiles(taken, n=100)[-1]}
    if peer.pid:
        figures["websocket-cpu"] = cpu / len(taken)
    return {name: value * 1e6 for name, value in figures.items()}


def measure_memory(bench: Bench) -> None:
    """Report by how much a proxy's processes grow for each open WebSocket on which one message was echoed."""
    with open_peers(bench, bench.origins.websocket) as peers:
        for peer in peers:
            try:
                value = _idle_bytes(peer, bench.idle)
            except (BenchError, OSError) as error:
                bench.note(f"{peer.name}: {error}")
            else:
                bench.report(Sample(measure="websocket-memory", peer=peer.name, value=value / 1024))


def _idle_bytes(peer: Peer, count: int) -> float:
    assert peer.pid is not None
    with contextlib.ExitStack() as stack:

        def open_some(number: int) -> int:
            for _ in range(number):
                stack.enter_context(WebSocket(peer)).echo()
            time.sleep(_SETTLE)
            return resident_bytes(peer.pid or 0)

        before = open_some(_WARM_UP)  # what the first ones load is nobody's own
        return (open_some(count) - before) / count
