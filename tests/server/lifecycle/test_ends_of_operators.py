"""What the operator has ended ends at the next server, too: its client hears why when it comes, or is refused."""

from __future__ import annotations

import json
import socket
from contextlib import closing
from pathlib import Path
from typing import Any

from tests.doubles.origin import OriginConnection
from tests.support.live_session import HOST, OK, open_session
from tests.support.programs import Server, open_server, wait_until
from tests.support.session_bench import Client
from tests.support.successors import ending_successors, entries, upgrade

OWNER = {"extensions": ["resume", "owner"]}
STOP = {"event": "stop", "by": "operator", "reason": "new disks"}


async def answer(connection: OriginConnection) -> None:
    """Be an application."""
    await connection.receive_head()
    await connection.send_all(OK)


def end(runtime_dir: Path) -> Any:
    """Have the operator end the session, and return what becomes of it."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(20)
        sock.connect(str(runtime_dir / "admin"))
        sock.sendall(json.dumps({"command": "end", "host": HOST, "reason": "new disks"}).encode() + b"\n")
        with sock.makefile("rb") as answers:
            return json.loads(answers.readline())["item"]["ending"]


async def lose_and_end(server: Server, runtime_dir: Path, **session: object) -> None:
    """Have a session lose its link, and then be ended."""
    async with open_session(server, answer, **session):
        pass
    await wait_until(lambda: bool(entries(server.program, "ended")))
    assert end(runtime_dir) == "lost"


async def test_after_a_hand_over_a_client_that_comes_back_hears_why(runtime_dir: Path) -> None:
    async with open_server(runtime_dir) as server, ending_successors(server.program):
        await lose_and_end(server, runtime_dir, **OWNER)
        await upgrade(server)
        async with open_session(server, answer, **OWNER) as client:
            assert await client.receive() == STOP
            await client.say("leave")
            assert await client.receive() is None
        # It has ended: whoever comes next with that token is new.
        await upgrade(server)
        async with open_session(server, answer, **OWNER) as client:
            await client.say("ready")
            assert await client.receive() == {"event": "ready"}


async def test_a_client_that_cannot_be_told_is_refused_by_the_next_server(runtime_dir: Path) -> None:
    async with open_server(runtime_dir) as server, ending_successors(server.program):
        async with open_session(server, answer):
            assert end(runtime_dir) == "ended"
        await upgrade(server)
        with closing(connect(server)) as client:
            await client.greet()
            client.listen()
            refused = await client.register(key="app")
            assert refused["reason"] == "the gateway's operator has ended this session: new disks"


async def test_after_a_crash_a_client_that_comes_back_hears_why(runtime_dir: Path) -> None:
    async with open_server(runtime_dir) as server:
        await lose_and_end(server, runtime_dir, **OWNER)
        await wait_until(lambda: b'"new disks"' in (runtime_dir / "state.json").read_bytes())
        server.program.process.kill()
        await server.program.process.wait()
    async with open_server(runtime_dir) as server, open_session(server, answer, **OWNER) as client:
        assert await client.receive() == STOP


def connect(server: Server) -> Client:
    """Give a client's end of a connection to the control socket."""
    sock = socket.socket(socket.AF_UNIX)
    sock.connect(str(server.control_socket))
    return Client(sock)
