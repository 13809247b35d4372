"""The probe of a session's way: what comes out of the relay socket, and what the client is told."""

from __future__ import annotations

import json
from pathlib import Path

import attrs
import pytest
import trio

from conductor_trio.server.routing.states import Live
from tests.support.session_bench import LABEL, LIMITS, PATIENCE, Bench, Client, open_bench

NONCES = ["0" * 32, "1" * 32, "2" * 32]
REGISTRATION: dict[str, object] = {"key": "app", "extensions": ["probe", "resume"]}


async def ask(client: Client, nonce: str) -> None:
    await client.send(json.dumps({"event": "probe", "nonce": nonce}).encode() + b"\n")


async def accept(client: Client) -> trio.SocketStream:
    """Return the next connection to the relay socket."""
    client.relay_socket.setblocking(False)
    listener = trio.SocketListener(trio.socket.from_stdlib_socket(client.relay_socket.dup()))
    with trio.fail_after(PATIENCE):
        async with listener:
            return await listener.accept()


async def test_it_is_said_at_the_relay_socket_and_counts_as_nobody(bench: Bench) -> None:
    with bench.connect() as client:
        await client.go_live(**REGISTRATION)
        await (await accept(client)).aclose()  # the server tries it at the registration
        await ask(client, NONCES[0])
        assert await client.receive() == {"event": "probe"}
        route = bench.routes.find(f"app-{LABEL}.apps.test")
        assert route is not None
        account = bench.context.ledger.session(route.id, route.user)
        async with await accept(client) as stream:
            assert await stream.receive_some(100) == NONCES[0].encode() + b"\n"
            assert not account.connections
            assert not account.traffic.was_active
            await stream.send_all(b"whatever it says")


async def test_one_comes_after_the_other_and_the_last_is_not_lost(runtime_dir: Path) -> None:
    async with open_bench(runtime_dir, limits=attrs.evolve(LIMITS, probe_pause=0)) as bench:
        with bench.connect() as client:
            await client.go_live(**REGISTRATION)
            await (await accept(client)).aclose()
            await ask(client, NONCES[0])
            assert await client.receive() == {"event": "probe"}
            for nonce in NONCES[1:]:
                await ask(client, nonce)
            async with await accept(client) as stream:
                assert await stream.receive_some(100) == NONCES[0].encode() + b"\n"
            assert await client.receive() == {"event": "probe"}
            async with await accept(client) as stream:
                assert await stream.receive_some(100) == NONCES[2].encode() + b"\n"


async def test_one_that_nobody_takes_is_given_up(runtime_dir: Path) -> None:
    async with open_bench(runtime_dir, limits=attrs.evolve(LIMITS, probe_timeout=0.01, probe_pause=0)) as bench:
        with bench.connect() as client:
            await client.go_live(**REGISTRATION)
            for nonce in NONCES:
                await ask(client, nonce)
                assert await client.receive() == {"event": "probe"}
            assert isinstance(bench.state_of(f"app-{LABEL}.apps.test"), Live)


async def test_a_relay_socket_that_nobody_listens_on_is_told(bench: Bench) -> None:
    with bench.connect() as client:
        await client.go_live(**REGISTRATION)
        client.relay_socket.close()
        await ask(client, NONCES[0])
        answer = await client.receive()
        assert answer is not None
        assert "does not accept a connection" in answer["reason"]


@pytest.mark.parametrize("nonce", ["", "0" * 31, "G" * 32, 7, None])
async def test_what_is_no_nonce_is_no_probe(bench: Bench, nonce: object) -> None:
    with bench.connect() as client:
        await client.go_live(**REGISTRATION)
        await client.send(json.dumps({"event": "probe", "nonce": nonce}).encode() + b"\n")
        answer = await client.receive()
        assert answer is not None
        assert answer["status"] == "error"
