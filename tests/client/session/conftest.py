"""What the tests of sessions share: a gateway of memory streams, and a client that keeps its session up there."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import attrs
import pytest
import trio

from conductor_trio.client.application.output_tail import OutputTail
from conductor_trio.client.session.keeper import Connection
from tests.doubles.fake_server import FakeServer, RecordedOutput
from tests.support.client_side import SETTINGS, Open, Side


@pytest.fixture
def gateway() -> FakeServer:
    return FakeServer()


@pytest.fixture
def open_side(gateway: FakeServer) -> Open:
    @contextlib.asynccontextmanager
    async def open_side(
        *, is_ready: bool = True, tail: OutputTail | None = None, **changes: Any
    ) -> AsyncIterator[Side]:
        side = Side(RecordedOutput(), trio.Event(), trio.CancelScope())
        if is_ready:
            side.ready.set()
        side.connection = Connection(
            attrs.evolve(SETTINGS, **changes),
            side.output,
            gateway.open_transport,
            side.ready,
            lambda: side.is_ending,
            tail=tail,
        )

        async def keep_up() -> None:
            with side.scope:
                side.failure = await side.connection.keep_up()

        with trio.fail_after(7 * 24 * 3600):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(keep_up)
                yield side
                side.scope.cancel()
        assert not gateway.relays

    return open_side
