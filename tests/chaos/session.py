"""A session of somebody's: a client, its application, and what has to stay the same all its life."""

from __future__ import annotations

import contextlib
import json
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import trio

from conductor_trio.access.tokens import cookie_value
from tests.chaos.processes import command_of, find_all, is_running
from tests.support.chain import Chain
from tests.support.programs import (
    PATIENCE,
    Program,
    ask,
    open_program,
    run_program,
)
from tests.support.users import Person

_LINK_STATES = {"live", "dead"}
_LIVE_PATIENCE = 2 * PATIENCE  # longer than anybody may take (`Fault.live_timeout`), so that lateness is told
_LAST_MOMENT = 0.1  # between the end of a program's output and its own
_RETRY_PAUSE = 0.05  # between two requests to a server that does not listen, which nothing announces


def _token(name: str) -> str:
    return f"token of {name}"


class ClientEnded(Exception):
    """The client has ended; str() says how."""


@attrs.define(eq=False, kw_only=True)
class Session:
    """A running client."""

    chain: Chain
    person: Person
    name: str
    program: Program
    has_websocket: bool = False

    @property
    def host(self) -> str:
        """The name under which visitors ask for it."""
        return f"{self.name}-{self.person.name}.localhost"

    @property
    def token(self) -> str:
        """The visitors' token; the same for each session of that name."""
        return _token(self.name)

    @property
    def cookie(self) -> str:
        """What a visitor who has logged in sends."""
        return f"authorization={cookie_value(self.token.encode())}"

    @property
    def pid(self) -> int:
        """The client's process."""
        return self.program.process.pid

    @property
    def application(self) -> int:
        """The application's process; known after `wait_state("execute")`."""
        pid: int = self.program.events[0]["pid"]
        return pid

    @property
    def mark(self) -> int:
        """How much the client has said so far."""
        return len(self.program.out.lines)

    @property
    def is_live(self) -> bool:
        """Whether the client says so."""
        states = [state for state in self._states(0) if state in _LINK_STATES]
        return states[-1:] == ["live"]

    def find_ssh(self) -> list[int]:
        """Return the ssh that holds the client's connection, if it is there."""
        return [pid for pid in find_all("ssh", self.pid) if "-M" in command_of(pid)]

    def losses_since(self, mark: int) -> int:
        """Return how many times the client has lost its link since then."""
        return self._states(mark).count("dead")

    async def wait_state(self, state: str, mark: int = 0) -> int:
        """Wait, without a deadline, until the client has said that state; return the mark behind it.

        What it said before `mark` does not count. Raises `ClientEnded` where it ends first.
        """
        while True:
            with contextlib.suppress(AssertionError):  # its output has ended, or some seconds have gone by
                return 1 + await self.program.out.wait_line(lambda line: json.loads(line)["state"] == state, mark)
            with trio.move_on_after(_LAST_MOMENT):
                await self.program.process.wait()
                raise ClientEnded(f"with status {self.program.process.returncode}")

    async def wait_live(self, mark: int, *, loses_link: bool) -> None:
        """Wait until visitors are served; where the link is lost after the mark, not before that has shown.

        Raises `ClientEnded` and `trio.TooSlowError`.
        """
        with trio.fail_after(_LIVE_PATIENCE):
            if loses_link:
                mark = await self.wait_state("dead", mark)
            while True:
                if not self.is_live:
                    mark = await self.wait_state("live", mark)
                if await self._is_served() and self.is_live:
                    return
                await trio.sleep(_RETRY_PAUSE)

    def check_unchanged(self) -> list[str]:
        """Return what is no longer as it was when the session was first live."""
        lives = [event["config"] for event in self.program.events if event["state"] == "live"]
        changes = [] if is_running(self.application) else ["the application has ended"]
        if [state for state in self._states(0) if state == "execute"] != ["execute"]:
            changes.append("the application was started again")
        expected = {"auth": self.token, "key": self.name, "urls": [self.host]}
        return changes + [f"live as {config}" for config in lives if config != expected]

    async def stop(self) -> None:
        """Give the owner's command that ends it from elsewhere; where there is no session yet, ask the client."""
        environment = self.chain.environment(self.person)
        command: list[str | Path] = [self.chain.python.with_name("conductor-trio"), "stop", self.name]
        done = await run_program([*command, self.chain.address], person=self.person, environment=environment)
        if done.process.returncode != 0:
            self.program.process.send_signal(signal.SIGTERM)

    async def status_for_visitors(self) -> int:
        """Return what a visitor is answered."""
        return (await ask(self.chain.server.port, self.host, "/kept", token=self.token)).status

    async def _is_served(self) -> bool:
        try:
            answer = await ask(self.chain.server.port, self.host, "/", token=self.token)
        except (OSError, trio.BrokenResourceError, AssertionError):
            return False
        return answer.status == 200 and int(answer.body) == self.application

    def _states(self, mark: int) -> list[str]:
        return [json.loads(line)["state"] for line in self.program.out.lines[mark:]]


@asynccontextmanager
async def open_session(
    chain: Chain,
    person: Person,
    name: str,
    *,
    has_websocket: bool = False,
    address: str | None = None,
    through: Sequence[str] = (),
) -> AsyncIterator[Session]:
    """Run a client; ended on leaving, if it is still there. `address` is another way to the gateway.

    `through` is a command that runs the client as that person somewhere else, such as in another network.
    """
    words: list[str | Path] = [*through, chain.python.with_name("conductor-trio"), "-k", name]
    words += [address or chain.address, chain.local_socket(person, name), "--", *chain.command(person, name)]
    environment = chain.environment(person) | {"CONDUCTOR_TOKEN": _token(name)}
    async with open_program(words, person=None if through else person, environment=environment) as program:
        yield Session(chain=chain, person=person, name=name, program=program, has_websocket=has_websocket)
