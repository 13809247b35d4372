"""The client's side of a session, against a gateway of memory streams."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import attrs
import trio

from conductor_trio.client.config.address import ServerAddress
from conductor_trio.client.config.launch import Launch
from conductor_trio.client.config.settings import ClientSettings
from conductor_trio.client.session.keeper import Connection
from conductor_trio.errors import ConductorError
from tests.doubles.fake_server import RecordedOutput

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
