"""The command line: so many sessions, so many dashboards, and a table of what was measured."""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import socketserver
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import attrs
import trio

from scripts.bench.load import browser_headers
from scripts.bench.machine import cpu_seconds, is_listening, open_process, wait_until
from scripts.bench.peers import Site, control_socket, ours_command
from scripts.bench.sessions import TOKEN
from scripts.dashboard.metered import session_host
from scripts.dashboard.viewers import enter, open_viewer

_HOST = "admin.localhost"
_ASKED = 10  # questions of each kind, of which the median is taken
# No two after one another have the same answer.
_QUESTIONS: Mapping[str, Sequence[Mapping[str, object]]] = {
    "search": [{"search": text} for text in ("9", "41", "session00001", "nobody", "")],
    "sort": [
        {"column": "since", "descending": True},
        {"column": "host", "descending": False},
        {"column": "host", "descending": True},
        {"column": "since", "descending": False},
    ],
    "another page": [{"page": number} for number in range(1, 6)],
}
_SETTLE = 3.0  # seconds after which all have been sent the first frame
_BUSY_RATE = 100  # requests a second, each to another session


@attrs.frozen(kw_only=True)
class Gateway:
    """A running gateway."""

    port: int
    pid: int
    runtime: Path
    sessions: int

    def make_link(self) -> str:
        """Return a link to its dashboard."""
        command = [str(Path(sys.executable).with_name("conductor-trio-server")), "links", "-r", str(self.runtime)]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


class _Page(socketserver.StreamRequestHandler):
    """An application that has one page."""

    def handle(self) -> None:
        if self.rfile.readline():  # or the gateway has only tried whether somebody listens
            while self.rfile.readline().strip():
                pass
            self.wfile.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2000\r\n\r\n" + bytes(2000))


@contextlib.contextmanager
def open_application(path: Path) -> Iterator[None]:
    """Serve the page of all sessions at a socket."""
    with socketserver.UnixStreamServer(str(path), _Page) as server:
        path.chmod(0o660)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(prog="python -m scripts.dashboard", description=__doc__)
    parser.add_argument("--sessions", type=int, default=5000, metavar="N", help="(default %(default)s)")
    parser.add_argument("--dashboards", type=int, default=8, metavar="N", help="(default %(default)s)")
    parser.add_argument(
        "--seconds", type=float, default=10.0, metavar="S", help="of each load (default %(default)s)"
    )
    return parser


@contextlib.contextmanager
def open_gateway(directory: Path, application: Path, sessions: int, meter: Path) -> Iterator[Gateway]:
    """Run a gateway with a meter and so many sessions."""
    site = Site(directory=directory, upstream=application)
    control_socket(site).parent.mkdir()
    metered = [sys.executable, "-m", "scripts.dashboard.metered", str(meter), str(sessions), str(application)]
    command = [*metered, *ours_command(site)[1:], "--admin-host", f"{_HOST}:{site.port}"]
    with open_process(command, site.log) as process:
        wait_until(lambda: is_listening(site.port) and is_listening(control_socket(site)), process, site.log, "it")
        yield Gateway(port=site.port, pid=process.pid, runtime=control_socket(site).parent, sessions=sessions)


async def measure(gateway: Gateway, dashboards: int, seconds: float) -> list[tuple[str, str]]:
    """Return a table of what was measured."""
    rows = [("processor, none open", await _use(gateway, seconds))]
    host = f"{_HOST}:{gateway.port}"
    cookie, proof = await enter(gateway.port, host, gateway.make_link())
    began = time.perf_counter()
    async with open_viewer(gateway.port, host, cookie, proof) as viewer:
        first = await viewer.wait_sessions()
        rows.append(("first frame", f"{(time.perf_counter() - began) * 1e3:.0f} ms, {viewer.sent / 1e3:.1f} kB"))
        assert first["total"] == gateway.sessions
        await viewer.wait_sessions() if first["order"] is None else None
        for name, questions in _QUESTIONS.items():
            asked = itertools.islice(itertools.cycle(questions), _ASKED)
            taken = statistics.median([await viewer.ask(**question) for question in asked])
            rows.append((name, f"{taken * 1e3:.0f} ms"))
        await viewer.ask(search="", column="host", page=0)
    for count, busy in ((1, False), (dashboards, False), (dashboards, True)):
        rows += await _measure_open(gateway, host, (cookie, proof), count, seconds, is_busy=busy)
    return rows


async def _measure_open(
    gateway: Gateway, host: str, entry: tuple[str, str], count: int, seconds: float, *, is_busy: bool
) -> list[tuple[str, str]]:
    """Return what it takes to have so many dashboards open, while nothing happens or much does."""
    async with contextlib.AsyncExitStack() as stack:
        opened = [open_viewer(gateway.port, host, *entry) for _ in range(count)]
        viewers = [await stack.enter_async_context(viewer) for viewer in opened]
        async with trio.open_nursery() as nursery:
            for viewer in viewers:
                nursery.start_soon(viewer.watch)
            if is_busy:
                nursery.start_soon(_visit, gateway)
            await trio.sleep(min(_SETTLE, seconds))
            before = sum(viewer.sent for viewer in viewers)
            used = await _use(gateway, seconds)
            sent = sum(viewer.sent for viewer in viewers) - before
            nursery.cancel_scope.cancel()
    what = f"{count} open, {f'{_BUSY_RATE} requests/s' if is_busy else 'idle sessions'}"
    return [(f"processor, {what}", used), (f"sent to each, {what}", f"{sent / count / seconds / 1e3:.2f} kB/s")]


async def _use(gateway: Gateway, seconds: float) -> str:
    before = cpu_seconds(gateway.pid)
    await trio.sleep(seconds)
    return f"{(cpu_seconds(gateway.pid) - before) / seconds:.1%}"


async def _visit(gateway: Gateway) -> None:
    """Have sessions visited, one after the other, for ever."""
    for host in itertools.cycle(session_host(number) for number in range(gateway.sessions)):
        fields = [*browser_headers(host), f"Cookie: authorization={TOKEN}", "Connection: close", "", ""]
        async with await trio.open_tcp_stream("127.0.0.1", gateway.port) as stream:
            await stream.send_all("\r\n".join(["GET / HTTP/1.1", *fields]).encode())
            async for _ in stream:
                pass
        await trio.sleep(1 / _BUSY_RATE)


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, and print a table."""
    options = make_parser().parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="ct-") as directory:
        place, application, meter = (Path(directory, name) for name in ("gateway", "application", "steps"))
        place.mkdir()
        with (
            open_application(application),
            open_gateway(place, application, options.sessions, meter) as gateway,
        ):
            rows = trio.run(measure, gateway, options.dashboards, options.seconds)
        steps = json.loads(meter.read_text())
    rows += [
        ("longest step of a dashboard's tasks", f"{steps['longest'] * 1e3:.2f} ms of the processor"),
        ("steps of more than 5 ms", f"{steps['tooLong']} of {steps['steps']}"),
    ]
    for name, value in [("sessions", str(options.sessions)), *rows]:
        print(f"{name:52} {value}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
