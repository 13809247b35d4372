"""The client's own end, whoever wants it: what the application says when it is told to end arrives, either way."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from scripts.private_sshd import PrivateSshd
from tests.support.chain import Chain, open_chain
from tests.support.chain_app import FAREWELL
from tests.support.programs import PATIENCE, Program, ask, run_program

pytestmark = pytest.mark.e2e

TOKEN = "token"
HOST = "app-ct-alice.localhost"
#: How the visitor is told that this was all.
ENDS = {"whole": b"\r\n\r\n" + FAREWELL, "end": b"\r\n0\r\n\r\n", "tunnel": b"\r\n\r\n" + FAREWELL}


@pytest.fixture
async def chain(short_tmp: Path, sshd: PrivateSshd) -> AsyncIterator[Chain]:
    async with open_chain(short_tmp, sshd) as chain:
        yield chain


@asynccontextmanager
async def open_way(chain: Chain, way: str, place: str) -> AsyncIterator[Program]:
    """Run Alice's client, which gets to the gateway that way, until it is live."""
    (shared := chain.directory / "shared").mkdir()
    shared.chmod(0o1777)
    socket = shared / "app" if place == "shared" else chain.local_socket(chain.alice)
    async with chain.open_client(chain.alice, token=TOKEN, local_socket=socket, is_local=way != "ssh") as program:
        await program.wait_state("live")
        yield program


@asynccontextmanager
async def open_visit(chain: Chain, kind: str) -> AsyncIterator[trio.SocketStream]:
    """Give a visitor's connection on which a farewell is waited for."""
    fields = "Connection: Upgrade\r\nUpgrade: words\r\n" if kind == "tunnel" else "Connection: close\r\n"
    head = f"GET /farewell/{kind} HTTP/1.1\r\nHost: {HOST}\r\nCookie: authorization={TOKEN}\r\n{fields}\r\n"
    async with await trio.open_tcp_stream("127.0.0.1", chain.server.port) as stream:
        await stream.send_all(head.encode())
        yield stream


async def stop(chain: Chain) -> None:
    """Alice's command that ends the session from elsewhere."""
    command: list[str | Path] = [chain.python.with_name("conductor-trio"), "stop", "app", chain.address]
    program = await run_program(command, person=chain.alice, environment=chain.environment(chain.alice))
    assert program.process.returncode == 0, program.err.text


async def receive_slowly(stream: trio.SocketStream) -> bytes:
    """Return all that comes until the end, to one who takes a while to read it."""
    received = bytearray()
    while piece := await stream.receive_some(65536):
        received += piece
        await trio.sleep(0.005)
    return bytes(received)


@pytest.mark.parametrize("end", ["signal", "of itself", "stop"])
@pytest.mark.parametrize("place", ["own", "shared"])
@pytest.mark.parametrize("way", ["ssh", "local"])
async def test_what_the_application_says_at_its_end_arrives(chain: Chain, way: str, place: str, end: str) -> None:
    said: dict[str, bytes] = {}
    with trio.fail_after(2 * PATIENCE):
        async with open_way(chain, way, place) as client, trio.open_nursery() as nursery:
            began = trio.Event()

            async def visit(kind: str) -> None:
                async with open_visit(chain, kind) as stream:
                    await began.wait()
                    said[kind] = await receive_slowly(stream)

            for kind in ENDS:
                nursery.start_soon(visit, kind)
            await wait_all_tasks_blocked(0.3)
            match end:
                case "signal":
                    client.process.send_signal(signal.SIGTERM)
                case "of itself":
                    assert (await ask(chain.server.port, HOST, "/quit", token=TOKEN, method="POST")).status == 200
                case "stop":
                    await stop(chain)
            began.set()
            await client.wait_ended()
    for kind, last in ENDS.items():
        assert said[kind].endswith(last), (kind, len(said[kind]))
        assert said[kind].count(b"f") >= len(FAREWELL), kind
