"""An application whose socket is in a directory that others may write to: Bob is never taken for Alice's."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from scripts.private_sshd import PrivateSshd
from tests.support.chain import Chain, open_chain
from tests.support.programs import Answer, Program, ask, open_program

pytestmark = pytest.mark.e2e

TOKEN = "alices-own-token-73c1"
HOST = "app-ct-alice.localhost"

# Runs as Bob: takes away what is at the path, if he can, and listens there himself.
TRAP = """
import os, socket, sys
path, listener = sys.argv[1], socket.socket(socket.AF_UNIX)
if os.path.exists(path):
    os.rename(path, path + ".alices")
listener.bind(path)
os.chmod(path, 0o777)
listener.listen()
print("bob listens", flush=True)
while True:
    visitor = listener.accept()[0]
    if visitor.recv(65536):
        visitor.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 3\\r\\n\\r\\nbob")
    visitor.close()
"""

# Answers one visitor, and then listens no more.
LEAVING = """
import signal, socket, sys
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
listener.listen()
while True:
    visitor = listener.accept()[0]
    if visitor.recv(65536):
        listener.close()
        visitor.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 4\\r\\n\\r\\nonce")
        visitor.close()
        signal.pause()
    visitor.close()
"""


@pytest.fixture
async def chain(short_tmp: Path, sshd: PrivateSshd) -> AsyncIterator[Chain]:
    async with open_chain(short_tmp, sshd) as chain:
        yield chain


@pytest.fixture(params=[0o1777, 0o777], ids=["sticky", "not sticky"])
def shared(request: pytest.FixtureRequest, short_tmp: Path) -> Path:
    """Where everybody may write."""
    (directory := short_tmp / "shared").mkdir()
    directory.chmod(request.param)
    return directory / "app.sock"


@pytest.fixture(params=["over ssh", "on this host"])
def way(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def open_alices(
    chain: Chain, way: str, path: Path, *options: str, command: Sequence[str | Path] | None = None
) -> AbstractAsyncContextManager[Program]:
    return chain.open_client(
        chain.alice,
        token=TOKEN,
        local_socket=path,
        command=command,
        options=options,
        is_local=way != "over ssh",
    )


@contextlib.asynccontextmanager
async def open_trap(chain: Chain, path: Path) -> AsyncIterator[None]:
    async with open_program([chain.python, "-c", TRAP, path], person=chain.bob) as program:
        await program.out.wait_line(lambda line: line == "bob listens")
        yield
    for left in (path, path.with_name(f"{path.name}.alices")):
        left.unlink(missing_ok=True)


async def visit(chain: Chain) -> Answer:
    return await ask(chain.server.port, HOST, "/", token=TOKEN)


async def test_alices_application_is_reached_and_she_is_warned(chain: Chain, way: str, shared: Path) -> None:
    async with open_alices(chain, way, shared) as client:
        await client.wait_state("live")
        for _ in range(3):
            assert int((await visit(chain)).body) == client.events[0]["pid"]
        [said] = [line for line in client.err.lines if "other users of this host" in line]
        assert f"{shared.parent} is open to them" in said


async def test_bob_who_listens_first_is_not_taken_for_it(chain: Chain, way: str, shared: Path) -> None:
    command: list[str | Path] = [chain.python, "-c", "import signal; signal.pause()"]  # it takes its time
    async with open_alices(chain, way, shared, command=command) as client:
        await client.wait_state("controlConnect")
        async with open_trap(chain, shared):
            failed = await client.wait_state("failed")
            assert f"another user of this host (id {chain.bob.uid}) listens on {shared}" in failed["reason"]
            assert await client.wait_ended() == 2
        assert "live" not in [event["state"] for event in client.events]


@pytest.mark.parametrize("shared", [0o777], indirect=True)
async def test_bob_who_takes_its_place_gets_no_visitor_and_alice_keeps_hers(
    chain: Chain, way: str, shared: Path
) -> None:
    async with open_alices(chain, way, shared) as client:
        await client.wait_state("live")
        assert (await visit(chain)).status == 200
        async with open_trap(chain, shared):
            for _ in range(3):
                assert int((await visit(chain)).body) == client.events[0]["pid"]
            told = await client.wait_state("warning")
            assert f"the application's socket {shared} was removed" in told["reason"]
            assert int((await visit(chain)).body) == client.events[0]["pid"]


@pytest.mark.parametrize("shared", [0o777], indirect=True)
async def test_bob_gets_no_visitor_where_alices_listens_no_more(chain: Chain, way: str, shared: Path) -> None:
    async with open_alices(chain, way, shared, command=[chain.python, "-c", LEAVING, shared]) as client:
        await client.wait_state("live")
        assert (await visit(chain)).body == b"once"
        async with open_trap(chain, shared):
            for _ in range(3):
                answer = await visit(chain)
                assert answer.status == 502
                assert b"bob" not in answer.body
        assert (await ask(chain.server.port, HOST, "/_conductor/status")).status == 200
        said = [line for line in client.err.lines if "no visitor is let through" in line]
        assert len(said) == 1


@pytest.mark.parametrize("shared", [0o777], indirect=True)
async def test_bob_is_the_application_where_alice_says_so(chain: Chain, way: str, shared: Path) -> None:
    async with open_alices(chain, way, shared, "--socket-user", chain.bob.name) as client:
        await client.wait_state("live")
        async with open_trap(chain, shared):
            assert (await visit(chain)).body == b"bob"


async def test_in_a_directory_of_her_own_nothing_comes_through_the_client(chain: Chain) -> None:
    async with chain.open_client(chain.alice, token=TOKEN) as client:
        await client.wait_state("live")
        assert not [line for line in client.err.lines if "other users" in line]
        links = [link.readlink() for link in Path("/tmp").glob("conductor-trio-*/a") if link.is_symlink()]
        assert links.count(chain.local_socket(chain.alice)) == 1
        assert json.loads((await ask(chain.server.port, HOST, "/_conductor/status")).body)["routesTotal"] == 1
