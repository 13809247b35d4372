"""After a hand-over, what the former server still carries ends when it has to, as it would have without one."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import attrs
import pytest
import trio

from tests.doubles.origin import OriginConnection
from tests.support.live_session import open_session
from tests.support.programs import PATIENCE, Server, open_server
from tests.support.session_bench import Client
from tests.support.successors import ending_successors, upgrade
from tests.support.tunnels import command, open_tunnel, share

OWNER = {"extensions": ["resume", "owner"]}
SWITCHING = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"
LAST_WORDS = b"w" * 300_000


async def talk(connection: OriginConnection) -> None:
    """Say last words in a tunnel once the visitor has said enough, or the way is gone."""
    await connection.receive_head()
    await connection.send_all(SWITCHING)
    await connection.receive_until(b"enough")
    await connection.send_all(LAST_WORDS)
    await connection.receive_to_end()


async def is_over(visitor: trio.SocketStream) -> bool:
    """Wait until the tunnel has ended, whichever way."""
    with trio.move_on_after(PATIENCE):
        try:
            while await visitor.receive_some():
                pass
        except trio.BrokenResourceError:
            pass
        return True
    return False


async def receive_event(client: Client, event: str) -> None:
    """Wait for an event of the server's."""
    while (message := await client.receive()) != {"event": event}:
        assert message is not None and message["event"] in ("ping", "move"), message


@attrs.frozen(kw_only=True)
class Stage:
    """Two servers: the former one has a session with a guest and an owner who look on, and both are in tunnels."""

    server: Server
    client: Client  # at the former one
    share: str
    guest: trio.SocketStream
    owner: trio.SocketStream


@pytest.fixture
async def stage(runtime_dir: Path) -> AsyncIterator[Stage]:
    async with (
        open_server(runtime_dir, "--grace", "60") as server,
        ending_successors(server.program),
        open_session(server, talk, **OWNER) as client,
    ):
        share_id = await share(server, "guest")
        async with open_tunnel(server, "guest") as guest, open_tunnel(server) as owner:
            await upgrade(server)
            await receive_event(client, "move")
            yield Stage(server=server, client=client, share=share_id, guest=guest, owner=owner)


async def assert_open(visitor: trio.SocketStream) -> None:
    """Check that the tunnel carries on, to its last words."""
    await visitor.send_all(b"enough")
    received = 0
    while received < len(LAST_WORDS):
        piece = await visitor.receive_some()
        assert piece
        received += len(piece)


@pytest.mark.parametrize("has_moved", [True, False])
async def test_a_revoked_share_ends_and_nothing_else(stage: Stage, has_moved: bool) -> None:
    if has_moved:
        async with open_session(stage.server, talk, **OWNER):
            await command(stage.server, command="revoke", id=stage.share)
            assert await is_over(stage.guest)
            await assert_open(stage.owner)
    else:
        await command(stage.server, command="revoke", id=stage.share)
        assert await is_over(stage.guest)
        await assert_open(stage.owner)


async def test_what_began_over_the_former_server_s_socket_ends_with_its_share_as_well(stage: Stage) -> None:
    async with open_tunnel(stage.server, "guest") as guest, open_session(stage.server, talk, **OWNER):
        await command(stage.server, command="revoke", id=stage.share)
        assert await is_over(guest)


async def test_a_share_expires_at_the_former_server(runtime_dir: Path) -> None:
    async with (
        open_server(runtime_dir, "--grace", "60") as server,
        ending_successors(server.program),
        open_session(server, talk, **OWNER),
    ):
        await share(server, "guest", 2)
        async with open_tunnel(server, "guest") as guest, open_tunnel(server) as owner:
            await upgrade(server)
            assert await is_over(guest)
            await assert_open(owner)


@pytest.mark.parametrize("has_moved", [True, False])
@pytest.mark.parametrize("auth", ["its own token", "another token"])
async def test_a_session_that_another_client_takes_over_ends(stage: Stage, has_moved: bool, auth: str) -> None:
    taking: dict[str, object] = {"takeover": "any", **OWNER}
    if auth == "another token":
        taking["auth"] = hashlib.blake2b(b"another").hexdigest()
    if has_moved:
        async with open_session(stage.server, talk, **OWNER) as moved, open_session(stage.server, talk, **taking):
            await receive_event(moved, "replaced")
            assert await is_over(stage.owner) and await is_over(stage.guest)
    else:
        async with open_session(stage.server, talk, **taking):
            await receive_event(stage.client, "replaced")
            assert await is_over(stage.owner) and await is_over(stage.guest)


async def test_the_last_words_of_a_session_that_is_taken_over_arrive(stage: Stage) -> None:
    async with open_session(stage.server, talk, **OWNER):
        await stage.owner.send_all(b"enough")
        await trio.sleep(0.2)  # they are everywhere between the application and the visitor
        async with open_session(stage.server, talk, takeover="any", **OWNER):
            received = 0
            while piece := await stage.owner.receive_some():
                received += len(piece)
            assert received == len(LAST_WORDS)


async def test_a_session_that_its_client_ends_at_the_successor_ends(stage: Stage) -> None:
    async with open_session(stage.server, talk, **OWNER) as moved:
        await moved.say("leave")
        assert await is_over(stage.owner) and await is_over(stage.guest)
        while await stage.client.receive() is not None:
            pass


@pytest.mark.parametrize("has_moved", [True, False])
async def test_the_owner_s_wish_to_stop_reaches_the_client_wherever_it_is(stage: Stage, has_moved: bool) -> None:
    if has_moved:
        async with open_session(stage.server, talk, **OWNER) as moved:
            await command(stage.server, command="stop")
            await receive_event(moved, "stop")
    else:
        await command(stage.server, command="stop")
        await receive_event(stage.client, "stop")
        async with open_session(stage.server, talk, **OWNER) as moved:  # it had just been about to
            await receive_event(moved, "stop")
