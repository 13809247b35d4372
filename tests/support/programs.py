"""The two programs as processes, and a visitor: started, listened to, waited for, and gone at the end.

::

    async with open_server(runtime_dir) as server, open_client(server.control_socket, path, command) as client:
        live = await client.wait_state("live")
        answer = await ask(server.port, host, "/")
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import h11
import trio

from conductor_trio.access.login_link import LOGIN_PREFIX
from conductor_trio.access.tokens import cookie_value
from conductor_trio.net.kernel import pidfd_open
from tests.support.through_workers import COUNT
from tests.support.users import Person

#: How long anything may take here before the test has failed.
PATIENCE = 20.0

PATTERN = "{key}-{user}.localhost"

OWN_PYTHON = Path(sys.executable)

Event = dict[str, Any]


class Lines:
    """What a program says on one of its outputs, line by line."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._rest = ""
        self._ended = False
        self._changed = trio.lowlevel.ParkingLot()

    @property
    def text(self) -> str:
        """Everything so far."""
        return "".join(f"{line}\n" for line in self.lines) + self._rest

    async def collect(self, stream: trio.abc.ReceiveStream) -> None:
        """Read to the end."""
        async with stream:
            async for chunk in stream:
                *whole, self._rest = (self._rest + chunk.decode()).split("\n")
                self.lines += whole
                self._changed.unpark_all()
        self._ended = True
        self._changed.unpark_all()

    async def wait_line(self, is_wanted: Callable[[str], bool], start: int = 0) -> int:
        """Return the index of the first wanted line from `start` on; fails where the output ends without it."""
        with trio.move_on_after(PATIENCE):
            while True:
                for index in range(start, len(self.lines)):
                    if is_wanted(self.lines[index]):
                        return index
                start = len(self.lines)
                if self._ended:
                    break
                await self._changed.park()
        raise AssertionError(f"not said within {PATIENCE} s or before the end:\n{self.text}")


class Program:
    """A running program."""

    def __init__(self, process: trio.Process) -> None:
        self.process = process
        self.out = Lines()
        self.err = Lines()
        self._seen = 0

    def send_signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    async def wait_ended(self) -> int:
        """Wait until it has ended, and return its status."""
        with trio.fail_after(PATIENCE):
            return await self.process.wait()

    async def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send it a signal, wait until it has ended, and return its status."""
        self.send_signal(number)
        return await self.wait_ended()

    @property
    def events(self) -> list[Event]:
        """The client's events so far."""
        return [json.loads(line) for line in self.out.lines]

    async def wait_state(self, state: str) -> Event:
        """Wait for the client's next event of that state, and return it."""
        index = await self.out.wait_line(lambda line: json.loads(line)["state"] == state, self._seen)
        self._seen = index + 1
        event: Event = json.loads(self.out.lines[index])
        return event

    async def wait_logged(self, event: str) -> Event:
        """Wait for the first entry of that name in the server's log, and return it."""
        index = await self.err.wait_line(lambda line: line[:1] == "{" and json.loads(line)["event"] == event)
        entry: Event = json.loads(self.err.lines[index])
        return entry


@asynccontextmanager
async def open_program(
    command: Sequence[str | Path],
    *,
    person: Person | None = None,
    environment: Mapping[str, str] | None = None,
    cwd: str | Path = "/",
    descriptors: Sequence[int] = (),
) -> AsyncIterator[Program]:
    """Run a program as that person; asked to end on leaving, if it has not ended yet, and reaped.

    It inherits `descriptors`.
    """
    process = await trio.lowlevel.open_process(
        [str(word) for word in command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=dict(os.environ if environment is None else environment),
        cwd=str(cwd),
        start_new_session=True,
        pass_fds=descriptors,
        user=None if person is None else person.uid,
        group=None if person is None else person.gid,
        extra_groups=None if person is None else [],
    )
    assert process.stdout is not None and process.stderr is not None
    program = Program(process)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(program.out.collect, process.stdout)
        nursery.start_soon(program.err.collect, process.stderr)
        try:
            yield program
        finally:
            if process.poll() is None:
                process.terminate()
            with trio.CancelScope(shield=True, deadline=trio.current_time() + PATIENCE):
                await process.wait()
            with trio.CancelScope(shield=True, deadline=trio.current_time() + PATIENCE):
                if process.poll() is None:
                    process.kill()
                await process.wait()
            # A child that outlived it may hold the other ends of the pipes.
            nursery.cancel_scope.deadline = trio.current_time() + PATIENCE


async def run_program(command: Sequence[str | Path], **options: Any) -> Program:
    """Run a program to its end, and return what it said."""
    async with open_program(command, **options) as program:
        await program.wait_ended()
    return program


@attrs.frozen(kw_only=True)
class Server:
    """A running server."""

    program: Program
    runtime_dir: Path
    port: int

    @property
    def control_socket(self) -> Path:
        """Where clients connect."""
        return self.runtime_dir / "client"

    @property
    def session_directories(self) -> list[Path]:
        """The directories of the sessions that are."""
        return list((self.runtime_dir / "sockets").iterdir())


def server_command(runtime_dir: Path, *options: str | Path, python: Path = OWN_PYTHON) -> list[str | Path]:
    """Return the command of a server on a free port, with `PATTERN` unless `options` hold another."""
    where = [] if {"-p", "-s"} & set(options) else ["-p", "0"]
    pattern = [] if "-d" in options else ["-d", PATTERN]
    workers = ["--workers", str(COUNT)] if COUNT and "--workers" not in options else []
    return [python.with_name("conductor-trio-server"), "-r", runtime_dir, *where, *pattern, *workers, *options]


@asynccontextmanager
async def open_server(
    runtime_dir: Path, *options: str | Path, person: Person | None = None, python: Path = OWN_PYTHON
) -> AsyncIterator[Server]:
    """Run a server that accepts visitors and clients."""
    async with open_program(server_command(runtime_dir, *options, python=python), person=person) as program:
        [address] = (await program.wait_logged("listening"))["addresses"]
        port = 0 if isinstance(address, str) else address[1]
        if COUNT and "--workers" not in options:
            await wait_until(lambda: program.err.text.count('"worker_ready"') >= COUNT)
        yield Server(program=program, runtime_dir=runtime_dir, port=port)


@asynccontextmanager
async def open_client(
    server: str | Path,
    local_socket: Path,
    command: Sequence[str | Path],
    *,
    key: str | None = None,
    token: str | None = None,
    person: Person | None = None,
    python: Path = OWN_PYTHON,
    environment: Mapping[str, str] | None = None,
    options: Sequence[str] = (),
) -> AsyncIterator[Program]:
    """Run a client; its token, if one is given, is in its environment."""
    inherited = {"PATH": "/usr/bin:/bin"} if environment is None else dict(environment)
    variables = inherited | ({} if token is None else {"CONDUCTOR_TOKEN": token})
    with_key = [] if key is None else ["-k", key]
    words = [python.with_name("conductor-trio"), *with_key, *options, server, local_socket, "--", *command]
    async with open_program(words, person=person, environment=variables) as program:
        yield program


@attrs.frozen(kw_only=True)
class Answer:
    """What a visitor was answered."""

    status: int
    fields: list[tuple[bytes, bytes]]
    body: bytes

    def field(self, name: bytes) -> bytes:
        """Return the one field of that name, in lower case."""
        [value] = [value for key, value in self.fields if key == name]
        return value


async def ask(
    port: int,
    host: str,
    target: str,
    *,
    token: str | None = None,
    method: str = "GET",
    body: bytes = b"",
    fields: Sequence[tuple[str, str]] = (),
) -> Answer:
    """Send one request over a connection of its own, with the token's cookie if one is given."""
    with trio.fail_after(PATIENCE):
        async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
            return await ask_over(stream, host, target, token=token, method=method, body=body, fields=fields)


async def ask_over(
    stream: trio.abc.Stream,
    host: str,
    target: str,
    *,
    token: str | None = None,
    method: str = "GET",
    body: bytes = b"",
    fields: Sequence[tuple[str, str]] = (),
) -> Answer:
    """Send one request over this connection, and read the answer to its end."""
    http = h11.Connection(h11.CLIENT)
    headers = [("Host", host), ("Connection", "close"), *fields]
    if token is not None:
        headers.append(("Cookie", f"authorization={cookie_value(token.encode())}"))
    if body:
        headers.append(("Content-Length", str(len(body))))
    head = http.send(h11.Request(method=method, target=target, headers=headers))
    await stream.send_all((head or b"") + body)
    if body:
        http.send(h11.Data(data=body))
    http.send(h11.EndOfMessage())
    response: h11.Response | None = None
    received = bytearray()
    while True:
        match http.next_event():
            case h11.NEED_DATA:
                http.receive_data(bytes(await stream.receive_some()))
            case h11.Response() as head_of_answer:
                response = head_of_answer
            case h11.Data(data=data):
                received += data
            case h11.EndOfMessage():
                assert response is not None
                return Answer(status=response.status_code, fields=list(response.headers), body=bytes(received))
            case h11.ConnectionClosed():
                raise AssertionError("the connection ended without an answer")


async def wait_until(condition: Callable[[], bool]) -> None:
    """Wait for what another process brings about and nothing announces."""
    with trio.fail_after(PATIENCE):
        while not condition():  # noqa: ASYNC110
            await trio.sleep(0.01)


async def wait_gone(pid: int) -> None:
    """Wait until a process has ended, whoever's child it is."""
    try:
        handle = pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        with trio.fail_after(PATIENCE):
            await trio.lowlevel.wait_readable(handle)
    finally:
        os.close(handle)


def login_target(token: str, next: str | None = None) -> str:
    """Return the path of a login link."""
    return LOGIN_PREFIX + cookie_value(token.encode()) + ("" if next is None else f"?next={next}")
