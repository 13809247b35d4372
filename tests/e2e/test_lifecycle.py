"""Ends and new beginnings over a real SSH server: whoever goes, nothing is left, and what can come back does."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from scripts.private_sshd import PrivateSshd, descendants
from tests.support.chain import Chain, open_chain
from tests.support.programs import (
    PATIENCE,
    Program,
    ask,
    open_server,
    wait_gone,
    wait_until,
)

pytestmark = pytest.mark.e2e

TOKEN = "token"
HOST = "app-ct-alice.localhost"


@pytest.fixture
async def chain(short_tmp: Path, sshd: PrivateSshd) -> AsyncIterator[Chain]:
    async with open_chain(short_tmp, sshd) as chain:
        yield chain


@asynccontextmanager
async def open_live_client(chain: Chain, *, name: str = "app", key: str = "app") -> AsyncIterator[Program]:
    """Run a client of Alice's that is live."""
    async with chain.open_client(chain.alice, name=name, key=key, token=TOKEN) as client:
        await client.wait_state("live")
        yield client


async def assert_live(port: int, client: Program) -> None:
    """Check that the application that was started first answers a visitor."""
    answer = await ask(port, HOST, "/", token=TOKEN)
    assert (answer.status, int(answer.body)) == (200, client.events[0]["pid"])


async def assert_nothing_left(chain: Chain, processes: list[int]) -> None:
    """Check that none of these processes, no socket, no directory and no route remains, only the memory of it."""
    for pid in processes:
        await wait_gone(pid)
    await wait_until(lambda: not list(chain.home(chain.alice).iterdir()))
    await wait_until(lambda: not chain.server.session_directories)
    await wait_until(lambda: str(chain.directory) + "/ct-alice" not in Path("/proc/net/unix").read_text())
    with trio.fail_after(PATIENCE):
        while (await ask(chain.server.port, HOST, "/", token=TOKEN)).status != 410:  # noqa: ASYNC110
            await trio.sleep(0.1)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
async def test_a_client_that_is_asked_to_end_leaves_nothing(chain: Chain, number: signal.Signals) -> None:
    before = set(descendants(os.getpid()))
    async with open_live_client(chain) as client:
        processes = [pid for pid in descendants(os.getpid()) if pid not in before]
        assert await client.end(number) == 0
        assert client.events[-1]["state"] == "exit"
        assert "Traceback" not in client.err.text
    await assert_nothing_left(chain, processes)


async def test_a_client_that_is_killed_leaves_nothing(short_tmp: Path, sshd: PrivateSshd) -> None:
    # It has not said that it ends, so that it is expected back for a while.
    async with open_chain(short_tmp, sshd, "--lost-timeout", "1") as chain:
        before = set(descendants(os.getpid()))
        async with open_live_client(chain) as client:
            # Its own, and sshd's for its session.
            processes = [pid for pid in descendants(os.getpid()) if pid not in before]
            assert len(processes) >= 5
            await client.end(signal.SIGKILL)
            await assert_nothing_left(chain, processes)


async def test_an_application_that_ends_ends_all_and_its_status_is_the_clients(chain: Chain) -> None:
    before = set(descendants(os.getpid()))
    async with open_live_client(chain) as client:
        processes = [pid for pid in descendants(os.getpid()) if pid not in before]
        os.kill(client.events[0]["pid"], signal.SIGUSR1)
        assert await client.wait_ended() == 128 + signal.SIGUSR1
        assert client.events[-1] == {"state": "exit", "status": -signal.SIGUSR1}
    # What it was killed before removing, the client removed.
    await assert_nothing_left(chain, processes)


async def test_a_lost_ssh_connection_comes_back_the_same(chain: Chain) -> None:
    async with open_live_client(chain) as client:
        first = client.events[-1]["config"]
        await assert_live(chain.server.port, client)
        chain.sshd.drop_sessions()
        await client.wait_state("dead")
        again = await client.wait_state("live")
        assert again["config"] == first
        await assert_live(chain.server.port, client)
        assert [event["state"] for event in client.events].count("execute") == 1


async def test_without_a_key_the_name_is_kept_across_a_loss(chain: Chain) -> None:
    async with chain.open_client(chain.alice, key=None, token=TOKEN) as client:
        first = await client.wait_state("live")
        chain.sshd.drop_sessions()
        await client.wait_state("dead")
        assert (await client.wait_state("live"))["config"] == first["config"]


async def test_a_lost_connection_takes_its_visitors_along(chain: Chain) -> None:
    async with open_live_client(chain) as client:
        async with await trio.open_tcp_stream("127.0.0.1", chain.server.port) as stream:
            await stream.send_all(
                f"GET /events HTTP/1.1\r\nHost: {HOST}\r\nCookie: authorization={TOKEN}\r\n\r\n".encode()
            )
            received = b""
            while b"begun" not in received:
                received += await stream.receive_some()
            chain.sshd.drop_sessions()
            # Cut short, and visibly so: no last chunk.
            with trio.fail_after(10):
                try:
                    while more := await stream.receive_some():
                        received += more
                except trio.BrokenResourceError:
                    pass
        assert not received.endswith(b"0\r\n\r\n")
        await client.wait_state("dead")
        await client.wait_state("live")


async def test_a_server_that_is_restarted_gets_its_clients_back(chain: Chain) -> None:
    async with open_live_client(chain) as client:
        assert await chain.server.program.end() == 0
        assert [path.name for path in chain.server.runtime_dir.iterdir()] == ["state.json"]
        await client.wait_state("dead")
        async with open_server(chain.server.runtime_dir, person=chain.gateway, python=chain.python) as server:
            await client.wait_state("live")
            await assert_live(server.port, client)


async def test_a_server_that_is_killed_gets_its_clients_back(chain: Chain) -> None:
    async with open_live_client(chain) as client:
        await chain.server.program.end(signal.SIGKILL)
        await client.wait_state("dead")
        assert len(chain.server.session_directories) == 1
        async with open_server(chain.server.runtime_dir, person=chain.gateway, python=chain.python) as server:
            await client.wait_state("live")
            await assert_live(server.port, client)
            assert len(server.session_directories) == 1  # the other one was swept
            await client.end()
    shutil.rmtree(chain.server.runtime_dir)  # what was there before the second server came, it left


async def test_two_sessions_of_one_user_stand_beside_each_other(chain: Chain) -> None:
    async with open_live_client(chain) as client:
        async with open_live_client(chain, name="second", key="other") as other:
            await assert_live(chain.server.port, client)
            answer = await ask(chain.server.port, "other-ct-alice.localhost", "/", token=TOKEN)
            assert int(answer.body) == other.events[0]["pid"]
            await other.end()
        await assert_live(chain.server.port, client)


async def test_a_name_that_is_taken_is_refused_and_free_again_afterwards(chain: Chain) -> None:
    async with open_live_client(chain) as client:
        async with chain.open_client(chain.alice, name="second", token="another") as other:
            failed = await other.wait_state("failed")
            assert "name taken" in failed["reason"] and "another key" in failed["reason"]
            assert await other.wait_ended() == 1
        await assert_live(chain.server.port, client)
        await client.end()
    async with open_live_client(chain, name="second") as other:
        await assert_live(chain.server.port, other)


@pytest.mark.parametrize(("token", "options"), [(TOKEN, ()), ("another", ("-r",))])
async def test_a_name_that_is_taken_over_comes_back(chain: Chain, token: str, options: tuple[str, ...]) -> None:
    async with open_live_client(chain) as client:
        async with chain.open_client(chain.alice, name="second", token=token, options=options) as other:
            await other.wait_state("live")
            assert "another session" in (await client.wait_state("dead"))["reason"]
            answer = await ask(chain.server.port, HOST, "/", token=token)
            assert int(answer.body) == other.events[0]["pid"]
            assert await other.end() == 0
        await client.wait_state("live")
        await assert_live(chain.server.port, client)
