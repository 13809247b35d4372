"""A client that is killed while it dials: its owner, with its token or by -r, has the name at once. Real sshd."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from scripts.private_sshd import PrivateSshd, descendants
from tests.support.chain import Chain, open_chain
from tests.support.programs import Program, ask, open_program, open_server
from tests.support.users import Person

pytestmark = pytest.mark.e2e

TOKEN = "4f7e1b09c2d85a36e1f0947b8c6d2a53"
HOST = "app-ct-alice.localhost"

# An application that is ready after a moment, so that its client is seen to be starting.
SLOW = "import signal, socket, sys, time; time.sleep(0.3); s = socket.socket(1); s.bind(sys.argv[1]); s.listen(); "

#: How an owner proves that the name is theirs: the options and the token of the client that is started anew.
PROOFS = {"token": ((), TOKEN), "replace": (("-r",), None)}


@pytest.fixture
async def chain(short_tmp: Path, sshd: PrivateSshd) -> AsyncIterator[Chain]:
    async with open_chain(short_tmp, sshd) as chain:
        yield chain


@asynccontextmanager
async def open_short(
    chain: Chain, person: Person, options: tuple[str, ...] = (), token: str | None = TOKEN
) -> AsyncIterator[Program]:
    """Run a client without LOCAL_SOCKET, which registers before its application listens."""
    words: list[str | Path] = [
        chain.python.with_name("conductor-trio"),
        "-k",
        "app",
        *options,
        chain.address,
        "--",
    ]
    words += [chain.python, "-S", "-c", SLOW + "signal.pause()", "{socket}"]
    environment = chain.environment(person) | ({} if token is None else {"CONDUCTOR_TOKEN": token})
    async with open_program(words, person=person, environment=environment) as client:
        yield client


async def kill(client: Program) -> None:
    """Kill a client, and nothing else of it."""
    client.process.send_signal(signal.SIGKILL)
    await client.wait_ended()


@contextlib.contextmanager
def stopped(pids: Sequence[int]) -> Iterator[None]:
    """Have processes stand still."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


async def assert_live_at_once(client: Program) -> None:
    """Assert that a client is live at its first attempt, long before a lost name would be free."""
    with trio.fail_after(20):
        await client.wait_state("live")
    assert [event["state"] for event in client.events if event["state"] in ("failed", "reconnecting")] == []


@pytest.mark.parametrize("proof", PROOFS)
@pytest.mark.parametrize("state", ["connect", "controlConnect", "starting", "live"])
async def test_its_owner_has_the_name_at_once(chain: Chain, state: str, proof: str) -> None:
    async with open_short(chain, chain.alice) as killed:
        await killed.wait_state(state)
        await kill(killed)
    options, token = PROOFS[proof]
    async with open_short(chain, chain.alice, options, token) as client:
        await assert_live_at_once(client)


@pytest.mark.parametrize("proof", PROOFS)
async def test_so_it_is_while_the_server_is_still_to_notice(chain: Chain, proof: str) -> None:
    """As when a node is lost, whose ssh neither says anything nor ends."""
    options, token = PROOFS[proof]
    async with open_short(chain, chain.alice) as lost:
        await lost.wait_state("live")
        with stopped(descendants(chain.sshd.pid)):
            await kill(lost)
            async with open_short(chain, chain.alice, options, token) as client:
                await assert_live_at_once(client)


@pytest.mark.parametrize("proof", PROOFS)
async def test_so_it_is_after_a_restart(chain: Chain, proof: str) -> None:
    """From the state file it knows whose the name is."""
    options, token = PROOFS[proof]
    async with open_short(chain, chain.alice) as killed:
        await killed.wait_state("live")
        await kill(killed)
    await chain.server.program.end(signal.SIGKILL)
    async with (
        open_server(chain.server.runtime_dir, person=chain.gateway, python=chain.python),
        open_short(chain, chain.alice, options, token) as client,
    ):
        await assert_live_at_once(client)
    shutil.rmtree(chain.server.runtime_dir)  # what was there before the second server came, it left


async def test_nobody_else_has_it(chain: Chain) -> None:
    """Each user has names of their own, whatever token and option they come with."""
    async with open_short(chain, chain.alice) as client:
        await client.wait_state("live")
        async with open_short(chain, chain.bob, ("-r",), TOKEN) as other:
            live = await other.wait_state("live")
            assert live["config"]["urls"] != [HOST]
        assert (await ask(chain.server.port, HOST, "/")).status == 403
        assert client.process.poll() is None
