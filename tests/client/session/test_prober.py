"""The prober: a way that is broken, although everything looks alive, is found out and made again."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from conductor_trio.limits.client import ClientLimits
from tests.doubles.fake_server import Channel, FakeServer
from tests.support.client_side import Open, Side

LIMITS = ClientLimits()


async def next_probe(gateway: FakeServer, channel: Channel) -> str:
    """Return the nonce of the next probe, which this side expects by then."""
    asked = await channel.receive()
    assert asked is not None and asked.pop("event") == "probe"
    nonce: str = asked.pop("nonce")
    assert not asked
    assert gateway.expectation is not None
    assert gateway.expectation.nonce == nonce.encode() + b"\n"
    return nonce


async def answer(gateway: FakeServer, channel: Channel, **fields: object) -> None:
    await channel.send(event="probe", **fields)


def arrive(gateway: FakeServer) -> None:
    assert gateway.expectation is not None
    gateway.expectation.arrived.set()


@contextlib.asynccontextmanager
async def open_probed(gateway: FakeServer, open_side: Open) -> AsyncIterator[tuple[Side, Channel]]:
    """Give a client whose server knows of probes, and their first channel."""
    gateway.extensions = ["probe", "resume"]
    async with open_side() as side:
        channel, registration = await gateway.accept()
        assert registration["extensions"] == gateway.extensions
        yield side, channel


async def test_a_way_that_stands_is_probed_now_and_then(
    gateway: FakeServer, open_side: Open, autojump_clock: MockClock
) -> None:
    async with open_probed(gateway, open_side) as (side, channel):
        nonces = set()
        for _ in range(5):
            started = trio.current_time()
            nonces.add(await next_probe(gateway, channel))
            assert trio.current_time() - started == pytest.approx(LIMITS.way_probe_interval)
            await answer(gateway, channel)
            arrive(gateway)
        assert len(nonces) == 5
        assert not side.output.all("dead")


@pytest.mark.parametrize(
    ("fields", "reason"),
    [({}, "does not arrive"), ({"reason": "the relay socket is gone"}, "the relay socket is gone")],
)
async def test_a_broken_way_is_made_again_over_the_same_transport_and_then_over_another(
    gateway: FakeServer, open_side: Open, fields: dict[str, Any], reason: str, autojump_clock: MockClock
) -> None:
    gateway.extensions = ["probe", "resume"]
    async with open_side() as side:
        for dials in (1, 1, 2, 2, 3):
            channel, _ = await gateway.accept()
            await side.output.wait_for("live")
            assert gateway.dials == dials
            for _ in range(2):
                await next_probe(gateway, channel)
                await answer(gateway, channel, **fields)
            assert await channel.receive() is None
            dead = await side.output.wait_for("dead")
            assert reason in dead["reason"]


async def test_a_way_that_has_stood_since_is_made_again_over_the_same_transport(
    gateway: FakeServer, open_side: Open, autojump_clock: MockClock
) -> None:
    gateway.extensions = ["probe", "resume"]
    async with open_side():
        for _ in range(4):
            channel, _ = await gateway.accept()
            await next_probe(gateway, channel)
            await answer(gateway, channel)
            arrive(gateway)
            for _ in range(2):
                await next_probe(gateway, channel)
                await answer(gateway, channel)
            assert await channel.receive() is None
        assert gateway.dials == 1


async def test_one_failure_alone_is_none(gateway: FakeServer, open_side: Open, autojump_clock: MockClock) -> None:
    async with open_probed(gateway, open_side) as (side, channel):
        for fails in (True, False, True, False):
            await next_probe(gateway, channel)
            await answer(gateway, channel, **({"reason": "its backlog is full"} if fails else {}))
            if not fails:
                arrive(gateway)
        assert not side.output.all("dead")


async def test_what_may_have_come_unseen_is_no_failure(
    gateway: FakeServer, open_side: Open, autojump_clock: MockClock
) -> None:
    async with open_probed(gateway, open_side) as (side, channel):
        for _ in range(4):
            await next_probe(gateway, channel)
            assert gateway.expectation is not None
            gateway.expectation.is_blind = True
            await answer(gateway, channel)
        assert not side.output.all("dead")


async def test_a_server_that_does_not_answer_but_pings_is_busy(
    gateway: FakeServer, open_side: Open, autojump_clock: MockClock
) -> None:
    async with open_probed(gateway, open_side) as (side, channel):
        for _ in range(3):
            await next_probe(gateway, channel)
        assert not side.output.all("dead")


async def test_nothing_is_probed_before_the_application_listens(
    gateway: FakeServer, open_side: Open, autojump_clock: MockClock
) -> None:
    gateway.extensions = ["probe", "resume", "starting"]
    async with open_side(is_ready=False, local_socket=None) as side:
        channel, _ = await gateway.accept()
        await trio.sleep(600)
        side.ready.set()
        assert await channel.receive() == {"event": "ready"}
        await next_probe(gateway, channel)


@pytest.mark.parametrize("extensions", [[], ["resume"], ["probe"]])
async def test_a_server_that_does_not_know_of_it_is_not_asked(
    gateway: FakeServer, open_side: Open, extensions: list[str], autojump_clock: MockClock
) -> None:
    gateway.extensions = extensions
    async with open_side() as side:
        channel, _ = await gateway.accept()
        await trio.sleep(600)
        side.end()
        assert await channel.receive() in (None, {"event": "leave"})
