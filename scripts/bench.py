"""How long starting takes, and what the gateway costs a request: ``make bench``.

Each line gives the median and the worst of several runs, in milliseconds.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence

import trio

from scripts.demo import APPLICATION, LOOPBACK, EventReader, Stage, open_program, open_stage, program, run_server
from scripts.private_sshd import SshdError

RUNS = 10
REQUESTS = 500
READ_SIZE = 65536

# An application that is ready as soon as a program can be.
QUICK = """
import signal, socket, sys
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
listener.listen()
signal.pause()
"""


def tell(what: str, seconds: Sequence[float]) -> None:
    """Print one line of results."""
    print(f"{what:<58}{statistics.median(seconds) * 1000:8.2f}{max(seconds) * 1000:10.2f}", flush=True)


def measure(task: Callable[[], object], runs: int) -> list[float]:
    """Return how many seconds each run of the task took."""
    taken = []
    for _ in range(runs):
        begin = time.perf_counter()
        task()
        taken.append(time.perf_counter() - begin)
    return taken


async def measure_launch(stage: Stage) -> list[float]:
    """Return how many seconds pass from the client's start to ``live``, the application being ready at once."""
    taken = []
    async with trio.open_nursery() as nursery:
        await nursery.start(run_server, stage)
        command = stage.client_command(sys.executable, "-IS", "-c", QUICK)
        for _ in range(RUNS):
            begin = time.perf_counter()
            async with open_program(
                command, stage.directory / "client.log", stage.client_environment()
            ) as process:
                await wait_live(process)
                taken.append(time.perf_counter() - begin)
        nursery.cancel_scope.cancel()
    return taken


async def measure_requests(stage: Stage) -> tuple[list[float], list[float]]:
    """Return how many seconds a request takes on a kept connection: directly, and through the gateway."""
    async with trio.open_nursery() as nursery:
        await nursery.start(run_server, stage)
        command = stage.client_command(sys.executable, APPLICATION)
        token = "bench"
        environment = {**os.environ, "CONDUCTOR_TOKEN": token}
        async with open_program(command, stage.directory / "client.log", environment) as process:
            host = await wait_live(process)
            request = f"GET /headers HTTP/1.1\r\nHost: {host}\r\nCookie: authorization={token}\r\n\r\n".encode()
            direct = await time_requests(await trio.open_unix_socket(stage.local_socket), request)
            through = await time_requests(await trio.open_tcp_stream(LOOPBACK, stage.port), request)
        nursery.cancel_scope.cancel()
    return direct, through


async def time_requests(stream: trio.SocketStream, request: bytes) -> list[float]:
    """Return how many seconds each of `REQUESTS` answers took to arrive."""
    async with stream:
        size = len(await ask(stream, request))
        taken = []
        for _ in range(REQUESTS):
            begin = time.perf_counter()
            await ask(stream, request, size)
            taken.append(time.perf_counter() - begin)
    return taken


async def ask(stream: trio.SocketStream, request: bytes, size: int | None = None) -> bytes:
    """Send a request and return its answer of that size; where the size is not known, all up to the body's end."""
    await stream.send_all(request)
    answer = b""
    while len(answer) < size if size is not None else not answer.endswith(b"]]"):
        chunk = await stream.receive_some(READ_SIZE)
        if not chunk:
            sys.exit(f"bench: the connection ended after: {answer.decode(errors='replace')}")
        answer += chunk
    return answer


async def wait_live(process: trio.Process) -> str:
    """Wait until visitors can use the application; returns its host name."""
    assert process.stdout is not None
    async for event in EventReader(process.stdout):
        match event:
            case {"state": "live", "config": {"urls": [str(host), *_]}}:
                return host
            case {"state": "failed", "reason": reason}:
                sys.exit(f"bench: {reason}")
    sys.exit("bench: the client ended")


def main() -> None:
    """Measure and print."""
    print(f"{'':<58}{'median':>8}{'worst':>10}")
    help_of = [program("conductor-trio"), "--help"]
    tell("conductor-trio --help", measure(lambda: subprocess.run(help_of, check=True, capture_output=True), RUNS))
    with open_stage(over_ssh=False) as stage:
        tell("launch to live, on this host", trio.run(measure_launch, stage))
    try:
        with open_stage(over_ssh=True) as stage:
            tell("launch to live, over a local sshd", trio.run(measure_launch, stage))
    except SshdError as error:
        print(f"launch to live, over a local sshd: left out, {error}")
    with open_stage(over_ssh=False) as stage:
        direct, through = trio.run(measure_requests, stage)
    tell("a request to the application itself", direct)
    tell("the same through the gateway, on this host", through)


if __name__ == "__main__":
    main()
