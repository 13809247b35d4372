"""The world of the trials: an SSH server, the gateway, and four sessions of two researchers."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path

import attrs
import trio

from scripts.bench.machine import free_port
from tests.chaos.link import HOST, Link
from tests.chaos.processes import adopting_orphans
from tests.chaos.session import Session, open_session
from tests.support.chain import APPLICATION, Chain, open_sshd
from tests.support.programs import Server, open_server, wait_gone
from tests.support.successors import entries, upgrade
from tests.support.users import (
    ALICE,
    BOB,
    GATEWAY,
    Person,
    everybodys_python,
    real_person,
)


@attrs.define(eq=False, kw_only=True)
class Gateway:
    """The server, which can be started again on the same directory and port."""

    nursery: trio.Nursery
    runtime_dir: Path
    port: int
    person: Person
    python: Path
    _server: Server | None = None
    _over: trio.Event = attrs.field(factory=trio.Event)

    @property
    def server(self) -> Server:
        """The one that runs, or ran last."""
        assert self._server is not None
        return self._server

    @property
    def pid(self) -> int:
        """Its process; that of the last one that has taken over, where any has."""
        pid: int = entries(self.server.program, "listening")[-1]["pid"]
        return pid

    async def start(self) -> None:
        """Start it; returns once it accepts connections."""
        self._server = await self.nursery.start(self._run)

    async def end(self, number: signal.Signals) -> None:
        """Send it a signal, and wait until it has ended."""
        for entry in entries(self.server.program, "listening"):  # those that it has replaced may not be gone
            with contextlib.suppress(ProcessLookupError):
                os.kill(entry["pid"], number)
            await wait_gone(entry["pid"])
        self._over.set()

    async def hand_over(self) -> None:
        """Have it start its successor; returns once that serves."""
        await upgrade(self.server)

    async def _run(self, *, task_status: trio.TaskStatus[Server]) -> None:
        options = ("-p", str(self.port))
        self._over = trio.Event()
        async with open_server(self.runtime_dir, *options, person=self.person, python=self.python) as server:
            task_status.started(server)
            # For as long as the world; whoever kills it starts the next.
            await self._over.wait()


@attrs.frozen(eq=False, kw_only=True)
class World:
    """Everything that runs; the residents do so all the time."""

    chain: Chain
    gateway: Gateway
    #: The way to the gateway that can be cut; None where there is none.
    link: Link | None
    residents: list[Session] = attrs.field(factory=list)

    def open_subject(self, name: str, person: Person) -> AbstractAsyncContextManager[Session]:
        """Run the client of another session."""
        return open_session(self.chain, person, name)

    def open_subject_over_link(self, name: str, person: Person) -> AbstractAsyncContextManager[Session]:
        """Run the client of another session at the far end of the link."""
        assert self.link is not None
        address = f"{HOST}{self.chain.server.control_socket}"
        return open_session(self.chain, person, name, address=address, through=self.link.through(person))


@asynccontextmanager
async def open_world(directory: Path, link: Link | None) -> AsyncIterator[World]:
    """Run it all, the residents live; on leaving, all of it has ended, as it should."""
    with adopting_orphans(), open_sshd(extra_config=link.sshd_config if link else ()) as sshd:
        if link is not None:
            link.introduce(sshd)
        gateway, alice, bob = (real_person(name) for name in (GATEWAY, ALICE, BOB))
        shutil.copy(APPLICATION, directory)
        for person in (gateway, alice, bob):
            person.make_directory(directory / person.name)
        python = everybodys_python()
        async with trio.open_nursery() as nursery:
            runner = Gateway(
                nursery=nursery,
                runtime_dir=directory / gateway.name / "run",
                port=free_port(),
                person=gateway,
                python=python,
            )
            await runner.start()
            chain = Chain(
                directory=directory,
                server=runner.server,
                sshd=sshd,
                gateway=gateway,
                alice=alice,
                bob=bob,
                python=python,
            )
            world = World(chain=chain, gateway=runner, link=link)
            async with AsyncExitStack() as residents:
                for person in (alice, bob):
                    for name, has_websocket in (("pages", False), ("socket", True)):
                        session = open_session(chain, person, name, has_websocket=has_websocket)
                        world.residents.append(await residents.enter_async_context(session))
                for resident in world.residents:
                    await resident.wait_live(0, loses_link=False)
                yield world
            await runner.end(signal.SIGTERM)
