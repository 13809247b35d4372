"""The whole way on one machine: a server, an application behind it, and one link to click. Ctrl-C ends it all.

Run it as ``make demo``, or ``python -m scripts.demo``. It needs no root, no SSH server and no configuration; with
``--ssh`` the application is offered over a private SSH server instead of from this host.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import trio

from conductor_trio.access.login_link import format_login_link
from conductor_trio.control.lines import LineReader
from conductor_trio.limits.constants import DEFAULT_PORT, MIB
from scripts.private_sshd import PrivateSshd, SshdError, open_private_sshd

APPLICATION = Path(__file__).with_name("demo_app.py")
KEY = "demo"
LOOPBACK = "127.0.0.1"
GRACE = 1.0  # a demonstration has no requests worth waiting for
START_TIMEOUT = 30.0
PROBE_PAUSE = 0.02
MAX_EVENT_LINE = 1 * MIB  # the application's output comes in such lines, too
TOLD_LINES = 8  # of a program's log, where it failed

CALM = """\
An application is behind this link, and nobody but you gets in:

    {link}

Open it in a browser. Ctrl-C ends everything.
"""


class DemoError(Exception):
    """The demonstration cannot go on; str() is for people."""


@attrs.frozen(kw_only=True)
class Stage:
    """Where the demonstration takes place."""

    directory: Path
    port: int
    sshd: PrivateSshd | None

    @property
    def runtime(self) -> Path:
        """The server's runtime directory."""
        return self.directory / "run"

    @property
    def control_socket(self) -> Path:
        """Where the server takes on clients."""
        return self.runtime / "client"

    def server_command(self) -> list[str]:
        """Return the command that starts the server."""
        pattern = f"{{key}}-{{user}}.localhost:{self.port}"
        options = ["-p", str(self.port), "-r", str(self.runtime), "-d", pattern, "--grace", str(GRACE)]
        return [program("conductor-trio-server"), *options]

    @property
    def local_socket(self) -> Path:
        """Where the application listens."""
        return self.directory / "app.sock"

    def client_command(self, *application: str | Path) -> list[str]:
        """Return the command that offers the application, which is given the local socket as its last argument."""
        server = str(self.control_socket)
        if self.sshd is not None:
            server = f"localhost:{self.sshd.port}{server}"
        local_socket = str(self.local_socket)
        command = [*map(str, application), local_socket]
        return [program("conductor-trio"), "-k", KEY, server, local_socket, "--", *command]

    def client_environment(self) -> Mapping[str, str]:
        """Return the environment in which the client's ``ssh`` finds the private server, if there is one."""
        return os.environ if self.sshd is None else self.sshd.me.environment()


def program(name: str) -> str:
    return str(Path(sys.executable).with_name(name))


@contextlib.contextmanager
def open_stage(*, over_ssh: bool) -> Iterator[Stage]:
    """Make a private directory, find a port and, where asked, start an SSH server; all gone on leaving."""
    with contextlib.ExitStack() as stack:
        # Short, since the sockets below it have at most 107 bytes for their paths.
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="demo-", dir="/tmp")))
        (directory / "run").mkdir()
        sshd = stack.enter_context(open_private_sshd()) if over_ssh else None
        yield Stage(directory=directory, port=_free_port(), sshd=sshd)


def _free_port() -> int:
    """Return the server's usual port, or else one that is free."""
    if _is_free(DEFAULT_PORT):
        return DEFAULT_PORT
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


def _is_free(port: int) -> bool:
    # Browsers try ::1 first for a name below localhost, so whoever listens there would get our visitors.
    for family, address in ((socket.AF_INET, LOOPBACK), (socket.AF_INET6, "::1")):
        try:
            with socket.socket(family) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((address, port))
        except OSError as error:
            if error.errno not in {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}:  # this host has no such address
                return False
    return True


async def run_demo(stage: Stage) -> None:
    """Print the link and keep everything running until a signal comes; raises groups of `DemoError`."""
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM, signal.SIGHUP) as signals:
        async with trio.open_nursery() as nursery:

            async def end_on_signal() -> None:
                await anext(signals)
                nursery.cancel_scope.cancel()

            nursery.start_soon(end_on_signal)
            with giving_up_after(START_TIMEOUT, "the server does not listen"):
                await nursery.start(run_server, stage)
            with giving_up_after(START_TIMEOUT, "the application did not become reachable"):
                link: str = await nursery.start(run_client, stage)
            print(CALM.format(link=link), flush=True)


@contextlib.contextmanager
def giving_up_after(seconds: float, problem: str) -> Iterator[None]:
    """Raise `DemoError` if the body takes longer."""
    with trio.move_on_after(seconds) as scope:
        yield
    if scope.cancelled_caught:
        raise DemoError(f"{problem} within {seconds:.0f} s.")


async def run_server(stage: Stage, *, task_status: trio.TaskStatus[None]) -> None:
    """Run the server, started once visitors and clients can connect; raises `DemoError` if it ends by itself."""
    log = stage.directory / "server.log"
    async with open_program(stage.server_command(), log, os.environ) as process, trio.open_nursery() as nursery:
        nursery.start_soon(report_end, "server", process, log)
        # Another process's sockets, which nothing announces.
        while not (stage.control_socket.is_socket() and await accepts_connections(stage.port)):  # noqa: ASYNC110
            await trio.sleep(PROBE_PAUSE)
        task_status.started()


async def run_client(stage: Stage, *, task_status: trio.TaskStatus[str]) -> None:
    """Run the client, started with the link once the application is live; raises `DemoError` if it ends first."""
    log = stage.directory / "client.log"
    is_live = False
    command = stage.client_command(sys.executable, APPLICATION)
    async with open_program(command, log, stage.client_environment()) as process:
        assert process.stdout is not None
        async for event in EventReader(process.stdout):
            match event:
                case {"state": "live", "config": {"auth": str(token), "urls": [str(host), *_]}} if not is_live:
                    is_live = True
                    task_status.started(format_login_link(host, token, "http"))
                case {"state": "live"}:
                    print("The application is back.", flush=True)
                case {"state": "dead"}:
                    print("The client has lost the server and tries again.", flush=True)
                case {"state": "data", "data": str(text)}:
                    print(f"The application says: {text.rstrip()}", file=sys.stderr)
                case {"state": "exit", "status": int(status)}:
                    raise DemoError(f"The application ended, {describe_end(status)}.")
                case {"state": "failed", "reason": reason}:
                    raise DemoError(f"The client cannot go on: {reason}")
        await report_end("client", process, log)


@contextlib.asynccontextmanager
async def open_program(
    command: list[str], log: Path, environment: Mapping[str, str]
) -> AsyncIterator[trio.Process]:
    """Run a program, its standard error going to `log`; on leaving it is asked to end, and has ended.

    It has a session of its own, so that a terminal's Ctrl-C reaches only us.
    """
    with log.open("wb") as stderr:
        start = partial(
            trio.run_process,
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            check=False,
            env=environment,
            start_new_session=True,
        )
        async with trio.open_nursery() as nursery:
            process: trio.Process = await nursery.start(start)
            try:
                yield process
            finally:
                nursery.cancel_scope.cancel()
        assert process.stdout is not None
        await process.stdout.aclose()


async def report_end(name: str, process: trio.Process, log: Path) -> None:
    """Wait for the program's end and raise `DemoError` with what it said last."""
    status = await process.wait()
    said = (await trio.Path(log).read_text(errors="replace")).splitlines()[-TOLD_LINES:]
    raise DemoError("\n".join([f"The {name} ended, {describe_end(status)}.", *said]))


class EventReader:
    """The client's events, one after the other, until it closes its output."""

    def __init__(self, stream: trio.abc.ReceiveStream) -> None:
        self._stream = stream
        self._lines = LineReader(MAX_EVENT_LINE)

    def __aiter__(self) -> EventReader:
        return self

    async def __anext__(self) -> Any:
        while (line := self._lines.next_event()) is None:
            if not (chunk := await self._stream.receive_some()):
                raise StopAsyncIteration
            self._lines.receive_data(bytes(chunk))
        return json.loads(line)


def describe_end(status: int) -> str:
    """Return how a program ended, given its status or minus the number of a signal."""
    return f"with status {status}" if status >= 0 else f"by {signal.Signals(-status).name}"


async def accepts_connections(port: int) -> bool:
    """Whether somebody listens on that port."""
    try:
        stream = await trio.open_tcp_stream(LOOPBACK, port)
    except OSError:
        return False
    await stream.aclose()
    return True


def main() -> int:
    """Run the demonstration; 0 if it was ended by a signal, 1 if it could not go on."""
    parser = argparse.ArgumentParser(prog="demo", description="A server, an application, and one link to click.")
    parser.add_argument("--ssh", action="store_true", help="offer the application over a private SSH server")
    over_ssh: bool = parser.parse_args().ssh
    problems: list[str] = []
    try:
        with open_stage(over_ssh=over_ssh) as stage:
            trio.run(run_demo, stage)
    except* KeyboardInterrupt:  # before or after Trio's part
        pass
    except* (DemoError, SshdError) as group:
        problems = [str(error) for error in leaves(group)]
    for problem in problems:
        print(f"demo: {problem}", file=sys.stderr)
    return 1 if problems else 0


def leaves(group: BaseExceptionGroup[Exception]) -> Iterator[BaseException]:
    """Yield the exceptions of a group, however deep they are."""
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from leaves(error)
        else:
            yield error


if __name__ == "__main__":
    sys.exit(main())
