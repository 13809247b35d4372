"""A server with a file, and the commands by which its operator asks it."""

from __future__ import annotations

import contextlib
import json
import os
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs

from tests.support.programs import OWN_PYTHON, PATTERN, Program, Server, open_program, run_program
from tests.support.session_bench import Client
from tests.support.successors import ending_successors, entries
from tests.support.users import Person, acting_as

_SERVER = OWN_PYTHON.with_name("conductor-trio-server")


@attrs.frozen(kw_only=True)
class FiledServer:
    """A running server, and its file."""

    file: Path
    runtime_dir: Path
    program: Program

    @property
    def port(self) -> int:
        """Where visitors connect now."""
        return int(entries(self.program, "listening")[-1]["addresses"][0][1])

    @property
    def pid(self) -> int:
        """The process that serves now."""
        return int(entries(self.program, "listening")[-1]["pid"])

    @property
    def server(self) -> Server:
        """The server as it is now."""
        return Server(program=self.program, runtime_dir=self.runtime_dir, port=self.port)

    def write(self, text: str) -> None:
        """Have the file say something, besides where the server is."""
        write_file(self.file, text)

    async def command(self, *words: str | Path) -> Program:
        """Run a command that knows the file."""
        return await run_program([_SERVER, words[0], "--config", self.file, *words[1:]])

    async def reload(self) -> None:
        """Have the file applied."""
        listening = len(entries(self.program, "listening"))
        done = await self.command("reload")
        assert done.process.returncode == 0, done.err.text
        while len(entries(self.program, "listening")) == listening:
            await self.program.err.wait_line(lambda line: '"listening"' in line, len(self.program.err.lines) - 1)

    async def configuration(self, *options: str) -> dict[str, Any]:
        """Return what `config` tells programs."""
        done = await self.command("config", "--json", *options)
        assert done.process.returncode == 0, done.err.text
        told: dict[str, Any] = json.loads(done.out.text)
        return told

    @contextlib.contextmanager
    def connect(self, person: Person) -> Iterator[Client]:
        """Connect as the client of a user."""
        sock = socket.socket(socket.AF_UNIX)
        with acting_as(person):
            sock.connect(str(self.runtime_dir / "client"))
        with contextlib.closing(Client(sock)) as client:
            yield client


def write_file(file: Path, text: str) -> None:
    """Have a file say where the server is, and this."""
    file.write_text(f'port = 0\ndomain = "{PATTERN}"\nruntime_dir = "run"\n{text}')


@asynccontextmanager
async def open_filed_server(
    place: Path, text: str, *options: str, **environment: str
) -> AsyncIterator[FiledServer]:
    """Run a server whose file is `place`/server.toml and says this; on leaving, it and all successors are gone."""
    file = place / "server.toml"
    command: list[str | Path] = [_SERVER, "--config", file, *options]
    write_file(file, text)
    async with (
        open_program(command, environment=os.environ | environment) as program,
        ending_successors(program),
    ):
        await program.wait_logged("listening")
        yield FiledServer(file=file, runtime_dir=place / "run", program=program)


async def go_live(client: Client, person: Person, *, key: str = "app") -> dict[str, Any]:
    """Take every step up to the registration as the client of a user, and return its answer."""
    await client.greet()
    with acting_as(person):
        client.listen()
    return await client.register(key=key, extensions=["owner", "resume"])
