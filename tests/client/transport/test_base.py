"""What a transport need not do: without more, it explains nothing, and its relays are open to the server."""

from __future__ import annotations

import pytest

from conductor_trio.client.transport.base import LinkSilent, ServerAway
from conductor_trio.errors import ConductorError, TransportError
from tests.doubles.fake_server import FakeServer


@pytest.mark.parametrize("thorough", [False, True])
@pytest.mark.parametrize("error", [ConductorError("bug"), ServerAway("away"), LinkSilent("silent")])
async def test_an_error_is_its_own_explanation(error: ConductorError, thorough: bool) -> None:
    async with FakeServer().open_transport() as transport:
        assert await transport.explain(error, thorough=thorough) is error


async def test_a_relay_needs_nothing_more() -> None:
    server = FakeServer()
    async with server.open_transport() as transport:
        transport.forget_warnings()
        async with transport.open_relay("/r"):
            await transport.admit_server("/r")
            transport.note_success()
            assert server.relays == {"/r"}
        assert not server.relays


@pytest.mark.parametrize("kind", [ServerAway, LinkSilent])
def test_who_looks_for_a_lost_way_finds_both(kind: type[TransportError]) -> None:
    """Programs see the same word for both; only the session tells them apart."""
    assert issubclass(kind, TransportError)
    assert kind("what").reason == "transport"
