"""What the tests of sessions share: the client's side, against a gateway of memory streams."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import attrs
import pytest
import trio

from conductor_trio.client.config.address import ServerAddress
from conductor_trio.client.config.recipes import Launch
from conductor_trio.client.config.settings import ClientSettings
from conductor_trio.client.session.keeper import Connection
from conductor_trio.errors import ConductorError
from tests.doubles.fake_server import FakeServer, RecordedOutput

SETTINGS = ClientSettings(
    server=ServerAddress(host="h"),
    local_socket="/app.sock",
    launch=Launch(command=("app",)),
    token="t0ken",
    key="lab",
)


@attrs.define(eq=False)
class Side:
    """The client's side: its events, its connection, and how that ended."""

    output: RecordedOutput
    ready: trio.Event
    scope: trio.CancelScope
    connection: Connection = attrs.field(init=False)
    is_ending: bool = False
    failure: ConductorError | None = None  # for which the client gave up

    @property
    def reason(self) -> str | None:
        return str(self.failure) if self.failure else None

    def end(self) -> None:
        """End on purpose."""
        self.is_ending = True
        self.scope.cancel()


Open = Callable[..., contextlib.AbstractAsyncContextManager[Side]]


@pytest.fixture
def gateway() -> FakeServer:
    return FakeServer()


@pytest.fixture
def open_side(gateway: FakeServer) -> Open:
    @contextlib.asynccontextmanager
    async def open_side(*, is_ready: bool = True, **changes: Any) -> AsyncIterator[Side]:
        side = Side(RecordedOutput(), trio.Event(), trio.CancelScope())
        if is_ready:
            side.ready.set()
        side.connection = Connection(
            attrs.evolve(SETTINGS, **changes),
            side.output,
            gateway.open_transport,
            side.ready,
            lambda: side.is_ending,
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
