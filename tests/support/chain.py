"""The whole chain with real users: a private SSH server, the gateway as its own user, clients as researchers."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import attrs

from scripts.private_sshd import PrivateSshd, open_private_sshd
from tests.support.needs import require_program
from tests.support.programs import (
    Program,
    Server,
    open_client,
    open_server,
    run_program,
)
from tests.support.users import (
    ALICE,
    BOB,
    GATEWAY,
    Person,
    everybodys_python,
    real_person,
)

APPLICATION = Path(__file__).with_name("chain_app.py")
PEOPLE = (ALICE, BOB)


@attrs.frozen(kw_only=True)
class Chain:
    """A gateway, and researchers who get there by SSH. Each has a directory of their own."""

    directory: Path
    server: Server
    sshd: PrivateSshd
    gateway: Person
    alice: Person
    bob: Person
    python: Path

    def home(self, person: Person) -> Path:
        """Return a person's own directory."""
        return self.directory / person.name

    def local_socket(self, person: Person, name: str = "app") -> Path:
        """Return where the person's application of that name listens."""
        return self.home(person) / f"{name}.sock"

    @property
    def address(self) -> str:
        """What clients are given as SERVER."""
        return f"localhost:{self.sshd.port}{self.server.control_socket}"

    @property
    def application(self) -> Path:
        """The program of the application, where everybody can read it."""
        return self.directory / APPLICATION.name

    def command(self, person: Person, name: str = "app") -> list[str | Path]:
        """Return the command of the person's application of that name."""
        return [self.python, self.application, self.local_socket(person, name)]

    def environment(self, person: Person) -> dict[str, str]:
        """Return an environment whose ``ssh`` knows the SSH server, and nothing of ours."""
        own = {"PATH": f"{self.python.parent}:/usr/bin:/bin", "TMPDIR": str(self.home(person))}
        return self.sshd.user(person.name).environment(own)

    def open_client(
        self,
        person: Person,
        *,
        name: str = "app",
        key: str | None = "app",
        token: str | None = None,
        local_socket: Path | None = None,
        command: Sequence[str | Path] | None = None,
        options: Sequence[str] = (),
        is_local: bool = False,
    ) -> AbstractAsyncContextManager[Program]:
        """Run a client as that person, over SSH or, where it `is_local`, on the gateway itself."""
        path = self.local_socket(person, name) if local_socket is None else local_socket
        return open_client(
            self.server.control_socket if is_local else self.address,
            path,
            [self.python, self.application, path] if command is None else command,
            key=key,
            token=token,
            person=person,
            python=self.python,
            environment=self.environment(person),
            options=options,
        )

    async def run_python(self, person: Person, code: str, *arguments: str | Path) -> str:
        """Run Python code as that person, and return what it printed."""
        program = await run_program(
            [self.python, "-c", code, *arguments], person=person, environment=self.environment(person)
        )
        assert program.process.returncode == 0, program.err.text
        return program.out.text


@contextmanager
def open_sshd(**options: Any) -> Iterator[PrivateSshd]:
    """Run an SSH server that lets our people in; skips the test where that cannot be."""
    require_program("sshd")
    for name in PEOPLE:
        real_person(name)
    with open_private_sshd(users=PEOPLE, **options) as sshd:
        yield sshd


@asynccontextmanager
async def open_chain(directory: Path, sshd: PrivateSshd, *options: str | Path) -> AsyncIterator[Chain]:
    """Run the gateway, its runtime directory in its own directory; `options` are the server's."""
    gateway, alice, bob = (real_person(name) for name in (GATEWAY, ALICE, BOB))
    shutil.copy(APPLICATION, directory)
    for person in (gateway, alice, bob):
        person.make_directory(directory / person.name)
    python = everybodys_python()
    runtime_dir = directory / gateway.name / "run"
    async with open_server(runtime_dir, *options, person=gateway, python=python) as server:
        yield Chain(
            directory=directory,
            server=server,
            sshd=sshd,
            gateway=gateway,
            alice=alice,
            bob=bob,
            python=python,
        )
    left = list(runtime_dir.rglob("*"))
    assert left in ([], [runtime_dir / "state.json"])  # routes that were live when it was told to end
