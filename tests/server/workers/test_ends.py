"""An end holds for open tunnels at every worker: what is said after it goes nowhere. Each test prints how soon."""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, closing
from pathlib import Path

import attrs
import trio

from tests.doubles.origin import OriginConnection
from tests.support.live_session import open_session
from tests.support.programs import Server, open_server, wait_until
from tests.support.session_bench import Client
from tests.support.successors import entries
from tests.support.tunnels import command, open_tunnel, share

TUNNELS = 8  #: so many that each worker has some, but for one time in 128
SWITCHING = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"
PAUSE = 0.005


@attrs.define(eq=False)
class Talk:
    """Visitors and an application that go on talking in tunnels, and when either was heard last."""

    heard_by_application: float = 0.0
    heard_by_visitors: float = 0.0
    over: int = 0

    async def serve(self, connection: OriginConnection) -> None:
        """Be the application: answer, and then say something again and again."""
        await connection.receive_head()
        await connection.send_all(SWITCHING)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_say_for_ever, connection.send_all)
            with contextlib.suppress(trio.BrokenResourceError):
                while await connection.receive_more():
                    connection.unread.clear()
                    self.heard_by_application = trio.current_time()
            nursery.cancel_scope.cancel()

    async def visit(self, stream: trio.SocketStream) -> None:
        """Be a visitor, until the tunnel is over."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_say_for_ever, stream.send_all)
            with contextlib.suppress(trio.BrokenResourceError):
                while await stream.receive_some():
                    self.heard_by_visitors = trio.current_time()
            nursery.cancel_scope.cancel()
        self.over += 1

    def tell(self, what: str, began: float) -> None:
        """Print how long after its end was ordered a session was heard."""
        application, visitors = (max(0.0, heard - began) for heard in self._heard)
        print(f"{what}: {application:.3f} s until the application, {visitors:.3f} s until visitors heard nothing")

    @property
    def _heard(self) -> tuple[float, float]:
        return self.heard_by_application, self.heard_by_visitors


async def _say_for_ever(send: Callable[[bytes], Awaitable[None]]) -> None:
    with contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError):
        while True:
            await send(b"and another thing")
            await trio.sleep(PAUSE)


@asynccontextmanager
async def open_talk(
    runtime_dir: Path, token: str, *extensions: str
) -> AsyncIterator[tuple[Server, Client, Talk, str]]:
    """Have so many tunnels at a server with workers, opened by the owner's token or a share's."""
    talk = Talk()
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(open_server(runtime_dir, "--workers", "2"))
        await wait_until(lambda: len(entries(server.program, "worker_ready")) == 2)
        client = await stack.enter_async_context(open_session(server, talk.serve, extensions=[*extensions]))
        shared = await share(server, "guest")
        nursery = await stack.enter_async_context(trio.open_nursery())
        for _ in range(TUNNELS):
            stream = await stack.enter_async_context(open_tunnel(server, token))
            nursery.start_soon(talk.visit, stream)
        while not (talk.heard_by_application and talk.heard_by_visitors):  # noqa: ASYNC110
            await trio.sleep(PAUSE)
        yield server, client, talk, shared


async def end_by_operator(server: Server) -> None:
    """Have all sessions ended, and return once that is answered."""
    sock = socket.socket(socket.AF_UNIX)
    sock.connect(str(server.runtime_dir / "admin"))
    with closing(Client(sock)) as operator:
        await operator.send(json.dumps({"command": "end", "all": True}).encode() + b"\n")
        while (answer := await operator.receive()) is not None and "status" not in answer:
            pass
        assert answer is not None and answer["status"] == "ok", answer


async def test_a_share_that_is_revoked_is_cut_everywhere(runtime_dir: Path) -> None:
    async with open_talk(runtime_dir, "guest") as (server, _, talk, shared):
        began = trio.current_time()
        await command(server, command="revoke", id=shared)
        answered = trio.current_time()
        await wait_until(lambda: talk.over == TUNNELS)
        talk.tell(f"a share revoked, answered after {answered - began:.3f} s", began)


async def test_a_session_that_the_operator_ends_is_cut_everywhere(runtime_dir: Path) -> None:
    """Its client does not know the word for it, so that the server ends it, whatever the application says."""
    async with open_talk(runtime_dir, "token", "resume") as (server, _, talk, _):
        began = trio.current_time()
        await end_by_operator(server)
        await wait_until(lambda: talk.over == TUNNELS)
        talk.tell("ended by the operator", began)


async def test_nothing_of_a_visitor_s_is_passed_on_once_the_client_has_left(runtime_dir: Path) -> None:
    """The application goes on talking all the same, which has its time as last words."""
    async with open_talk(runtime_dir, "token", "resume") as (_, client, talk, _):
        began = trio.current_time()
        await client.say("leave")
        await wait_until(lambda: talk.over == TUNNELS)
        talk.tell("the client left", began)
        assert talk.heard_by_application < talk.heard_by_visitors
