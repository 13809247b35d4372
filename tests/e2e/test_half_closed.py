"""Half-closed connections through the whole chain, with and without TLS, also while the server goes."""

from __future__ import annotations

import hashlib
import os
import signal
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import attrs
import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from conductor_trio.net.stream import SocketStream
from scripts.private_sshd import PrivateSshd
from tests.support.chain import Chain, open_chain
from tests.support.chain_app import FAREWELL, LAST_WORDS
from tests.support.programs import PATIENCE, Program, wait_gone
from tests.support.successors import ending_successors, entries, upgrade
from tests.support.tls_visitor import Authority, TlsVisitor

pytestmark = pytest.mark.e2e

TOKEN = "token"
HOST = "app-ct-alice.localhost"
SAID = os.urandom(3_000_000)

Stream = SocketStream | TlsVisitor


@attrs.frozen(kw_only=True)
class Stage:
    """The chain, Alice's client in it, and how its visitors come."""

    chain: Chain
    client: Program
    authority: Authority | None

    @contextmanager
    def visit(self) -> Iterator[Stream]:
        """Give a visitor's connection."""
        stream: Stream = SocketStream(socket.create_connection(("127.0.0.1", self.chain.server.port)))
        if self.authority is not None:
            assert isinstance(stream, SocketStream)
            stream = self.authority.visitor(stream)
        try:
            yield stream
        finally:
            stream.close()

    @asynccontextmanager
    async def switch(self, target: str) -> AsyncIterator[Stream]:
        """Give a visitor's connection that speaks another protocol with the application."""
        with trio.fail_after(2 * PATIENCE), self.visit() as stream:  # noqa: ASYNC119
            await stream.send_all(request(target, "Connection: Upgrade\r\nUpgrade: words\r\n"))
            assert (await receive_head(stream)).startswith(b"HTTP/1.1 101 ")
            yield stream


def request(target: str, fields: str) -> bytes:
    head = f"GET {target} HTTP/1.1\r\nHost: {HOST}\r\nCookie: authorization={TOKEN}\r\n{fields}\r\n"
    return head.encode()


async def receive_head(stream: Stream) -> bytes:
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        piece = await stream.receive_some(1)
        assert piece, head
        head += piece
    return head


async def receive_slowly(stream: Stream) -> bytes:
    """Return all that comes until the end, to one who takes a while to read it."""
    received = bytearray()
    while piece := await stream.receive_some(65536):
        received += piece
        await trio.sleep(0.002)
    return bytes(received)


@pytest.fixture(params=["plain", "tls"])
async def stage(request: pytest.FixtureRequest, short_tmp: Path, sshd: PrivateSshd) -> AsyncIterator[Stage]:
    authority = Authority() if request.param == "tls" else None
    options: list[str | Path] = []
    if authority is not None:
        paper = short_tmp / "server.pem"
        Path(paper).write_bytes(authority.certificate.both)
        paper.chmod(0o644)  # of a server that is nobody's
        options = ["--ssl-cert-file", paper, "--ssl-key-file", paper]
    async with open_chain(short_tmp, sshd, *options) as chain:
        program = chain.server.program
        async with ending_successors(program), chain.open_client(chain.alice, token=TOKEN) as client:
            await client.wait_state("live")
            yield Stage(chain=chain, client=client, authority=authority)
        if len(entries(program, "listening")) > 1:  # a successor leaves what others have made
            (chain.server.runtime_dir / "sockets").rmdir()


async def test_a_visitor_may_end_its_direction_first(stage: Stage) -> None:
    async with stage.switch("/half/second") as stream:
        await stream.send_all(SAID)
        await stream.send_eof()
        assert await receive_slowly(stream) == LAST_WORDS + hashlib.sha256(SAID).hexdigest().encode()


async def test_the_application_may_end_its_direction_first(stage: Stage) -> None:
    async with stage.switch("/half/first") as stream:
        assert await receive_slowly(stream) == LAST_WORDS
        for begin in range(0, len(SAID), 100_000):
            await stream.send_all(SAID[begin : begin + 100_000])
            await trio.sleep(0.01)
        await stream.send_eof()
        with stage.visit() as other:
            await other.send_all(request("/heard", "Connection: close\r\n"))
            assert (await receive_slowly(other)).endswith(hashlib.sha256(SAID).hexdigest().encode())


@pytest.mark.parametrize("kind", ["whole", "end", "tunnel"])
@pytest.mark.parametrize("end", ["replaced", "ended"])
async def test_last_words_arrive_while_the_server_goes(stage: Stage, end: str, kind: str) -> None:
    fields = "Connection: Upgrade\r\nUpgrade: words\r\n" if kind == "tunnel" else "Connection: close\r\n"
    with trio.fail_after(2 * PATIENCE), stage.visit() as stream:
        await stream.send_all(request(f"/farewell/{kind}", fields))
        if kind != "tunnel":
            await stream.send_eof()  # it has said all
        await wait_all_tasks_blocked(0.3)
        if end == "replaced":
            await upgrade(stage.chain.server)
        else:
            stage.chain.server.program.process.send_signal(signal.SIGTERM)
            await stage.chain.server.program.wait_logged("stopping")
        os.kill(stage.client.events[0]["pid"], signal.SIGTERM)  # the application
        received = await receive_slowly(stream)
        if end == "replaced":
            await wait_gone(stage.chain.server.program.process.pid)  # which owns a part of what is there
    assert received.count(FAREWELL[:1]) >= len(FAREWELL)
    assert kind != "end" or received.endswith(b"\r\n0\r\n\r\n")
