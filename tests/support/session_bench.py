"""The control side of a server in this process, and clients that speak the protocol by hand.

::

    async with open_bench(runtime_dir) as bench, bench.connect() as client:
        client.listen()
        assert await client.register(key="app") == {"status": "ok", ...}
"""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import trio
import trio.testing

from conductor_trio.access.grants import SingleSignOn
from conductor_trio.access.hostnames import user_label
from conductor_trio.access.tokens import hash_token
from conductor_trio.control.lines import LineReader
from conductor_trio.limits.server import ServerLimits
from conductor_trio.log import get_logger
from conductor_trio.net.listeners import open_unix_listener, serve_connections
from conductor_trio.net.poller import EdgePoller
from conductor_trio.server.accounts.counters import Counters
from conductor_trio.server.accounts.ledger import Ledger
from conductor_trio.server.lifecycle.runtime_directory import open_runtime_directory
from conductor_trio.server.routing.states import SessionState
from conductor_trio.server.routing.table import RouteTable
from conductor_trio.server.sessions.context import SessionContext
from conductor_trio.server.sessions.host import SessionHost
from conductor_trio.server.sessions.inotify import DirectoryMonitor
from conductor_trio.server.sessions.owner_service import OwnerService
from conductor_trio.server.settings import ServerSettings
from tests.support.routes import make_table

#: Whoever runs the tests, and how a host name has them.
USER = pwd.getpwuid(os.geteuid()).pw_name
LABEL = user_label(USER)

TOKEN_HASH = hash_token(b"token")
OTHER_HASH = hash_token(b"other")
#: How long a message may take before the test has failed; longer than each of the deadlines tested.
PATIENCE = 30.0

#: A time that runs as a test likes would not wait for the thread in which a user's name is looked up. For each
#: connection it is looked up anew, so that tests that stop at any step stop there, too.
LIMITS = ServerLimits(user_lookup_timeout=float("inf"), user_memory=0)

Message = dict[str, Any]


class Client:
    """A client's end of a control channel, and its relay socket."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self._stream = trio.SocketStream(trio.socket.from_stdlib_socket(sock))
        self._lines = LineReader(1 << 20)
        self._relay = socket.socket(socket.AF_UNIX)
        self.directory = Path()

    @property
    def relay(self) -> Path:
        """Where the relay socket belongs; known after the banner."""
        return self.directory / "socket"

    @property
    def relay_socket(self) -> socket.socket:
        """The relay socket itself."""
        return self._relay

    async def receive(self) -> Message | None:
        """Return the server's next message, None once it has closed the channel."""
        with trio.fail_after(PATIENCE):
            return await self._receive()

    async def _receive(self) -> Message | None:
        while (line := self._lines.next_event()) is None:
            try:
                data = await self._stream.receive_some()
            except trio.BrokenResourceError:
                return None
            if not data:
                return None
            self._lines.receive_data(bytes(data))
        message: Message = json.loads(line)
        return message

    async def greet(self) -> Message:
        """Take the banner."""
        banner = await self.receive()
        assert banner is not None and banner["status"] == "ok", banner
        self.directory = Path(banner["directory"])
        return banner

    def listen(self, mode: int = 0o660) -> None:
        """Make the relay socket."""
        self._relay.bind(str(self.relay))
        self.relay.chmod(mode)
        self._relay.listen()

    async def send(self, data: bytes) -> None:
        """Send these bytes as they are."""
        await self._stream.send_all(data)

    async def say(self, event: str, **fields: object) -> None:
        """Send an event."""
        await self.send(json.dumps({"event": event, **fields}).encode() + b"\n")

    async def send_eof(self) -> None:
        """Say no more."""
        await self._stream.send_eof()

    async def register(self, **fields: object) -> Message:
        """Register with the hash of a token, unless `fields` say otherwise, and return the answer."""
        await self.send(json.dumps({"auth": TOKEN_HASH} | fields).encode() + b"\n")
        answer = await self.receive()
        assert answer is not None
        return answer

    async def go_live(self, **fields: object) -> Message:
        """Take every step."""
        await self.greet()
        self.listen()
        answer = await self.register(**fields)
        assert answer["status"] == "ok", answer
        return answer

    def close(self) -> None:
        """Close the channel and the relay socket, wherever they are."""
        self._stream.socket.close()
        self._relay.close()


@attrs.define(eq=False, kw_only=True)
class Bench:
    """A server without visitors."""

    context: SessionContext
    runtime_dir: Path
    host: SessionHost
    watcher: DirectoryMonitor
    nursery: trio.Nursery

    @property
    def routes(self) -> RouteTable:
        """The route table."""
        return self.context.routes

    def state_of(self, host: str) -> SessionState | None:
        """Return the state of the session that has the name."""
        route = self.routes.find(host)
        return None if route is None else route.state

    async def wait_state(self, host: str, state: type[SessionState]) -> None:
        """Wait until that is what is known of the name."""
        with trio.fail_after(PATIENCE):
            while not isinstance(self.state_of(host), state):  # noqa: ASYNC110
                await trio.sleep(0.001)

    def stop(self) -> None:
        """End the server, and every session with it."""
        self.nursery.cancel_scope.cancel()

    @property
    def control_socket(self) -> Path:
        """Where clients connect."""
        return self.runtime_dir / "client"

    @property
    def session_directories(self) -> list[Path]:
        """The directories of the sessions that are."""
        return list((self.runtime_dir / "sockets").iterdir())

    @contextlib.contextmanager
    def connect(self) -> Iterator[Client]:
        """Connect as a client."""
        sock = socket.socket(socket.AF_UNIX)
        sock.connect(str(self.control_socket))
        with contextlib.closing(Client(sock)) as client:
            yield client

    @contextlib.contextmanager
    def socket_pair(self) -> Iterator[tuple[socket.socket, Client]]:
        """Give a control connection that nobody serves yet, and its client."""
        server_end, client_end = socket.socketpair()
        with server_end, contextlib.closing(Client(client_end)) as client:
            yield server_end, client

    async def wait_lookups_ended(self) -> None:
        """Wait for the threads, abandoned ones too, that look up a user's name, in a file that they open."""
        while any(thread.name.startswith("getpwuid") for thread in threading.enumerate()):  # noqa: ASYNC110
            await trio.sleep(0.001)

    def assert_idle(self) -> None:
        """Check that no session is, and that none has left anything."""
        assert self.session_directories == []
        assert len(self.routes) == 0
        assert not self.watcher.watches
        assert self.host.sessions == 0


@asynccontextmanager
async def open_bench(
    runtime_dir: Path,
    *,
    limits: ServerLimits = LIMITS,
    patterns: tuple[str, ...] = ("{key}-{user}.apps.test",),
    sso: SingleSignOn | None = None,
) -> AsyncIterator[Bench]:
    """Serve clients; checks on leaving that nothing broke inside and nothing is left."""
    log = get_logger()
    settings = ServerSettings(runtime_dir=str(runtime_dir), patterns=patterns, limits=limits, sso=sso)
    routes, ledger, counters = make_table(limits), Ledger(limits), Counters()
    poller = EdgePoller(ledger.fairness.turnstile)
    context = SessionContext.make(settings, log, routes=routes, ledger=ledger, counters=counters, poller=poller)
    service = OwnerService(context)
    # What a test awaits, under deadlines of its own, goes on when it has stopped the server.
    shield = trio.CancelScope(shield=True)
    with (
        DirectoryMonitor(limits) as watcher,
        open_runtime_directory(str(runtime_dir)) as runtime,
        open_unix_listener(os.fspath(runtime_dir / "client"), 0o777) as listener,
    ):
        host = SessionHost(context, service, runtime.sockets, watcher)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(watcher.run)
            nursery.start_soon(poller.run)
            nursery.start_soon(ledger.fairness.turnstile.run)
            await trio.testing.wait_all_tasks_blocked()  # its descriptor is there
            nursery.start_soon(context.run)
            nursery.start_soon(host.run)
            accept = partial(serve_connections, on_shortage=_give_up)
            # Whoever connects before it accepts waits in the backlog.
            nursery.start_soon(accept, listener, host.serve, nursery)
            bench = Bench(
                context=context,
                runtime_dir=runtime_dir,
                host=host,
                watcher=watcher,
                nursery=nursery,
            )
            with shield:
                yield bench
            bench.stop()
        bench.assert_idle()
    assert counters.internal_errors == 0
    assert not runtime_dir.exists()


def _give_up(shortage: OSError) -> None:
    raise shortage
