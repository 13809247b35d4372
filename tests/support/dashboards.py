"""A dashboard at the engine: its console, an operator's browser, and a page that is open there."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import attrs
import trio
from trio_websocket import ConnectionClosed, WebSocketConnection, wrap_client_stream

from conductor_trio.limits.server import ServerLimits
from conductor_trio.server.admin.entries import Entries, make_entries
from conductor_trio.server.admin.messages import MakeLink
from conductor_trio.server.admin.operators import Operator
from conductor_trio.server.admin.service import AdminService
from conductor_trio.server.dashboard.console import Console, open_console, run_console
from conductor_trio.server.observability.audit_log import AuditLog
from conductor_trio.server.observability.observer import Observer
from conductor_trio.server.observability.recent import RecentEvents
from conductor_trio.server.operation.reload import Reloads
from conductor_trio.server.proxy.visitor import serve_visitor
from tests.support.engine import OK, Application, Engine, Response, open_engine, request
from tests.support.observing import KeptLines
from tests.support.shares import ask

ADMIN = b"admin.test"
ORIGIN = b"http://admin.test"
ROOT = Operator(uid=0, user="root")
PATIENCE = 20.0


@attrs.frozen(eq=False)
class DashboardEngine:
    """An engine with a dashboard."""

    engine: Engine
    service: AdminService
    entries: Entries
    console: Console
    audit: KeptLines

    async def ask(
        self, line: bytes, fields: bytes = b"", *, cookie: str = "", host: bytes = ADMIN, unix: bool = False
    ) -> Response:
        """Have a browser ask for something, over a connection of its own."""
        auth = f"Cookie: conductor-admin={cookie}\r\n".encode() if cookie else b""
        visitor = self.engine.connect(unix=unix)
        answer = await ask(visitor, request(line, fields, host=host, auth=auth), line.partition(b" ")[0])
        visitor.close()
        return answer

    def make_link(self) -> bytes:
        """Return the path of a new link."""
        link = str(self.service.execute(MakeLink(), ROOT).fields()["link"])
        return b"/" + link.split("/", 3)[3].encode()

    async def enter(self) -> str:
        """Use a link, and return the cookie's value."""
        answer = await self.ask(b"POST " + self.make_link() + b" HTTP/1.1", b"Content-Length: 0\r\n")
        assert answer.status == 303
        [cookie] = answer.values(b"set-cookie")
        [value] = re.findall(r"^conductor-admin=([-\w]+); Path=/; HttpOnly; SameSite=Strict$", cookie.decode())
        return str(value)

    async def load(self, cookie: str) -> str:
        """Load the page, and return its proof."""
        page = await self.ask(b"GET / HTTP/1.1", cookie=cookie)
        assert page.status == 200
        [proof] = re.findall(r'<meta name="proof" content="([^"]+)">', page.body.decode())
        return str(proof)

    @asynccontextmanager
    async def open_socket(self, cookie: str) -> AsyncIterator[WebSocketConnection]:
        """Open the page's WebSocket, as a browser does."""
        engine = self.engine
        host, port = engine.listener.getsockname()

        async def accept() -> None:
            await trio.lowlevel.wait_readable(engine.listener)
            sock, address = engine.listener.accept()
            await serve_visitor(sock, address[0], engine.control, None)

        engine.nursery.start_soon(accept)
        fields = [(b"Origin", ORIGIN), (b"Cookie", b"conductor-admin=" + cookie.encode())]
        async with await trio.open_tcp_stream(host, port) as stream, trio.open_nursery() as nursery:
            yield await wrap_client_stream(
                nursery, stream, ADMIN.decode(), "/_conductor/live", extra_headers=fields
            )
            nursery.cancel_scope.cancel()

    @asynccontextmanager
    async def open_page(self) -> AsyncIterator[OpenPage]:
        """Enter, load the page, and connect it."""
        cookie = await self.enter()
        proof = await self.load(cookie)
        async with self.open_socket(cookie) as socket:
            page = OpenPage(socket)
            await page.send(prove=proof)
            yield page


@attrs.define(eq=False)
class OpenPage:
    """The page in a browser, connected."""

    socket: WebSocketConnection
    _act: int = 0

    async def send(self, **message: object) -> None:
        """Send what the script sends."""
        await self.socket.send_message(json.dumps(message))

    async def next(self, name: str, is_wanted: Any = None) -> Any:
        """Return what the next message of that name tells, the first one that is as wanted."""
        with trio.fail_after(PATIENCE):
            while True:
                told = json.loads(await self.socket.get_message())
                if name in told and (is_wanted is None or is_wanted(told)):
                    return told[name] if name != "section" else told["is"]

    async def section(self, name: str, is_wanted: Any = None) -> Any:
        """Return what the next section of that name tells."""
        return await self.next(
            "section", lambda told: told["section"] == name and (is_wanted is None or is_wanted(told["is"]))
        )

    async def wait_closed(self) -> None:
        """Return once the gateway has closed it."""
        with trio.fail_after(PATIENCE), suppress(ConnectionClosed):
            while True:
                await self.socket.get_message()

    async def act(self, **command: object) -> dict[str, Any]:
        """Have something done, and return the answer."""
        self._act += 1
        await self.send(act=self._act, do=command)
        with trio.fail_after(PATIENCE):
            while True:
                told: dict[str, Any] = json.loads(await self.socket.get_message())
                if told.get("act") == self._act:
                    return told


@asynccontextmanager
async def open_dashboard_engine(
    directory: Path, *, limits: ServerLimits | None = None, **settings: Any
) -> AsyncIterator[DashboardEngine]:
    """Run an engine with a dashboard while the block runs."""
    lines = KeptLines()
    observer = Observer(audit=AuditLog(lines, recent=RecentEvents()))
    settings.setdefault("admin_host", ADMIN.decode())
    async with open_engine(directory, Application(OK), limits=limits, observer=observer, **settings) as engine:
        planes, proxy = engine.planes, engine.control
        entries = make_entries(proxy.settings)
        reloads = Reloads(limits=proxy.limits, log=proxy.log, in_force={})
        configuration: dict[str, object] = {"file": None, "settings": []}
        service = AdminService(planes.sessions, planes.service, configuration, reloads, entries)
        console = open_console(proxy.settings, service, planes.service, planes.sessions, proxy, entries)
        assert entries is not None and console is not None
        async with trio.open_nursery() as nursery:
            nursery.start_soon(run_console, console, name="dashboard")
            yield DashboardEngine(engine, service, entries, console, lines)
            nursery.cancel_scope.cancel()
