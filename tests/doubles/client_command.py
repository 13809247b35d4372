"""The client as its users meet it: a command, its JSON lines, its exit status. And an application for it."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import trio

# Listens at its first argument and answers each connection with what it got, in capitals. -S and -E start faster.
UPPERCASE_APPLICATION = [
    sys.executable,
    "-SEc",
    """
import socket, sys
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
listener.listen()
while True:
    connection, _ = listener.accept()
    with connection:
        while data := connection.recv(4096):
            connection.sendall(data.upper())
""",
]

Event = dict[str, Any]


def shell(script: str) -> list[str]:
    """Return the command that runs a shell script."""
    return ["/bin/sh", "-c", script]


def python(script: str) -> list[str]:
    """Return the command that runs a Python script."""
    return [sys.executable, "-SEc", script]


class RunningClient:
    """The command, running."""

    def __init__(self, process: trio.Process, stdout: trio.abc.ReceiveStream | None) -> None:
        self.process = process
        self.stdout = stdout
        self.events: list[Event] = []
        self._rest = b""

    async def next_event(self) -> Event | None:
        """Return the next event, None at the end of the output."""
        assert self.stdout is not None
        while b"\n" not in self._rest:
            with trio.fail_after(20):
                chunk = await self.stdout.receive_some(65536)
            if not chunk:
                assert not self._rest
                return None
            self._rest += chunk
        line, _, self._rest = self._rest.partition(b"\n")
        event: Event = json.loads(line)
        self.events.append(event)
        return event

    async def wait_for(self, state: str) -> Event:
        """Read until an event of that state; it is an error if none comes."""
        while (event := await self.next_event()) is not None:
            if event["state"] == state:
                return event
        raise AssertionError(f"no event {state!r} in {self.events}")

    async def finish(self) -> int:
        """Read all the rest, and return the exit status."""
        if self.stdout is not None:
            while await self.next_event() is not None:
                pass
        with trio.fail_after(20):
            return await self.process.wait()

    @property
    def states(self) -> list[str]:
        """The states of all events so far."""
        return [event["state"] for event in self.events]

    def all(self, state: str) -> list[Event]:
        """Return the events of that state so far."""
        return [event for event in self.events if event["state"] == state]

    def text(self, kind: str) -> str:
        """Return what the application has written so far."""
        return "".join(event["data"] for event in self.all("data") if event["kind"] == kind)

    async def said(self) -> str:
        """Return all that the client wrote to its standard error."""
        assert self.process.stderr is not None
        text = b""
        with trio.fail_after(20):
            async for chunk in self.process.stderr:
                text += chunk
        return text.decode()


@contextlib.asynccontextmanager
async def open_client(
    *arguments: str | Path | Sequence[str],
    environment: Mapping[str, str] | None = None,
    stdout: int = subprocess.PIPE,
    stderr: int = subprocess.PIPE,
    cwd: Path | None = None,
) -> AsyncIterator[RunningClient]:
    """Run ``conductor-trio`` with arguments; a sequence among them stands for all its items. Killed on leaving."""
    words = [
        word
        for item in arguments
        for word in ([str(item)] if isinstance(item, str | Path) else [str(i) for i in item])
    ]
    process = await trio.lowlevel.open_process(
        [sys.executable, "-m", "conductor_trio", *words],
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
        env={"CONDUCTOR_TOKEN": "t0ken", **(os.environ if environment is None else environment)},
        cwd=cwd,
    )
    try:
        yield RunningClient(process, process.stdout)
    finally:
        with trio.CancelScope(shield=True, deadline=trio.current_time() + 20):
            if process.poll() is None:
                process.terminate()
                await process.wait()
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                await trio.aclose_forcefully(stream)
