"""The load of a browser many times over, by wrk: one thread, 32 connections."""

from __future__ import annotations

import json
import random
import subprocess
from collections.abc import Sequence
from pathlib import Path

import attrs

from scripts.bench.machine import LOOPBACK, PATIENCE, BenchError, cpu_seconds, find_program
from scripts.bench.peers import Peer
from scripts.bench.sessions import TOKEN

CONNECTIONS = 32
_SCRIPT = Path(__file__).with_name("load.lua")
_RESULT = "RESULT "
_MAX_BROKEN = 0.001  # of all requests; more, and the figure is not worth having


def browser_headers(host: str) -> list[str]:
    """Return the fields of a browser's request, our cookie between two of the application's."""
    return [
        f"Host: {host}",
        "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
        "Chrome/140.0.0.0 Safari/537.36",
        "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
        "Accept-Language: en-GB,en;q=0.9,de;q=0.8",
        "Accept-Encoding: gzip, deflate, br, zstd",
        'Sec-Ch-Ua: "Chromium";v="140", "Not=A?Brand";v="24"',
        "Sec-Ch-Ua-Mobile: ?0",
        'Sec-Ch-Ua-Platform: "Linux"',
        "Sec-Fetch-Dest: empty",
        "Sec-Fetch-Mode: cors",
        "Sec-Fetch-Site: same-origin",
        f"Cookie: _xsrf=2|a91c7d0e|4b7d1c2a3f5e6d7c8b9a0f1e2d3c4b5a|1700000000; authorization={TOKEN}; theme=dark",
    ]


@attrs.frozen(kw_only=True)
class Outcome:
    """What came of a load."""

    requests: int
    seconds: float
    broken: int  # connections refused or ended, and answers that did not come
    refused: int  # answers of 400 and more
    p50: float  # seconds from request to answer
    p99: float
    cpu: float  # seconds for which the proxy's processes ran

    @property
    def rate(self) -> float:
        """Requests a second."""
        return self.requests / self.seconds

    @property
    def cpu_per_request(self) -> float:
        """Seconds."""
        return self.cpu / self.requests


def parse_outcome(output: str, cpu: float) -> Outcome:
    """Read what our script has wrk print; raises `BenchError` where the load did not come through."""
    result = next((line for line in output.splitlines() if line.startswith(_RESULT)), None)
    if result is None:
        raise BenchError(f"wrk has no result: {output.strip() or 'it says nothing'}")
    outcome = Outcome(**json.loads(result.removeprefix(_RESULT)), cpu=cpu)
    if outcome.requests == 0 or outcome.refused:
        raise BenchError(f"of {outcome.requests} requests {outcome.refused} were answered with an error")
    if outcome.broken > outcome.requests * _MAX_BROKEN:
        raise BenchError(f"of {outcome.requests} requests {outcome.broken} had no answer")
    return outcome


def load_command(
    peer: Peer,
    seconds: int,
    *,
    mode: Sequence[str] = ("same",),
    headers: Sequence[str] = (),
    tls: bool = False,
    connections: int = CONNECTIONS,
    target: str = "/api/status",
) -> list[str]:
    """Return the command of such a load; raises `BenchError` without wrk."""
    wrk = find_program("wrk")
    if wrk is None:
        raise BenchError("there is no wrk here (Debian: wrk)")
    command = [wrk, "-t1", f"-c{connections}", f"-d{seconds}s", "-s", str(_SCRIPT)]
    for field in [*browser_headers(peer.host), *headers]:
        command += ["-H", field]
    return [*command, f"{'https' if tls else 'http'}://{LOOPBACK}:{peer.address}{target}", "--", *mode]


def run_load(
    peer: Peer,
    seconds: int,
    *,
    mode: Sequence[str] = ("same",),
    headers: Sequence[str] = (),
    tls: bool = False,
) -> Outcome:
    """Load the peer for that long; raises `BenchError`."""
    command = load_command(peer, seconds, mode=mode, headers=headers, tls=tls)
    before = cpu_seconds(peer.pid) if peer.pid else 0.0
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=seconds + PATIENCE,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired as error:
        raise BenchError("wrk does not come to an end") from error
    cpu = cpu_seconds(peer.pid) - before if peer.pid else 0.0
    return parse_outcome(done.stdout + done.stderr, cpu)


def distinct() -> Sequence[str]:
    """Return the mode in which no request comes twice, in this run or one before."""
    return ("distinct", str(random.randrange(10**8, 10**9) * 1000))


def think(pause: float) -> Sequence[str]:
    """Return the mode in which each connection pauses that many seconds, on average, before each request."""
    return ("think", f"{pause * 1000:.3f}")
