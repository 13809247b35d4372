"""Dashboards without a browser: let in by a link, connected as the page is, and counting what they are sent."""

from __future__ import annotations

import json
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import attrs
import trio
from trio_websocket import WebSocketConnection, wrap_client_stream

from scripts.bench.machine import BenchError

_MAX_MESSAGE = 1 << 24
_PATIENCE = 60.0


async def enter(port: int, host: str, link: str) -> tuple[str, str]:
    """Use a link; returns the cookie and the page's proof."""
    path = "/" + link.split("/", 3)[3]
    cookie = re.findall(
        r"(?i)set-cookie: ([^;]+);", await _ask(port, host, f"POST {path}", "Content-Length: 0\r\n")
    )
    if not cookie:
        raise BenchError("the link does not open the dashboard")
    page = await _ask(port, host, "GET /", f"Cookie: {cookie[0]}\r\n")
    [proof] = re.findall('<meta name="proof" content="([^"]+)">', page)
    return cookie[0], proof


async def _ask(port: int, host: str, line: str, fields: str) -> str:
    async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
        await stream.send_all(f"{line} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{fields}\r\n".encode())
        return b"".join([chunk async for chunk in stream]).decode()


@attrs.define(eq=False)
class Viewer:
    """One dashboard that is open."""

    _socket: WebSocketConnection
    sent: int = 0  #: bytes of all messages so far
    frames: int = 0  #: that told of sessions
    _view: dict[str, object] = attrs.field(
        factory=lambda: {"search": "", "column": "host", "descending": False, "page": 0}
    )

    async def watch(self) -> None:
        """Take what comes, for ever."""
        while True:
            await self._receive()

    async def wait_sessions(self) -> dict[str, object]:
        """Return the next page of sessions."""
        with trio.fail_after(_PATIENCE):
            while not isinstance(sessions := (await self._receive()).get("sessions"), dict):
                pass
        return sessions

    async def ask(self, **view: object) -> float:
        """Ask for other sessions, and return in how many seconds they came."""
        self._view |= view
        began = time.perf_counter()
        await self._socket.send_message(json.dumps({"view": self._view}))
        while (await self.wait_sessions()).get("order") is None:
            pass
        return time.perf_counter() - began

    async def _receive(self) -> dict[str, object]:
        message = await self._socket.get_message()
        self.sent += len(message)
        told: dict[str, object] = json.loads(message)
        self.frames += "sessions" in told
        return told


@asynccontextmanager
async def open_viewer(port: int, host: str, cookie: str, proof: str) -> AsyncIterator[Viewer]:
    """Open a dashboard."""
    fields = [(b"Origin", f"http://{host}".encode()), (b"Cookie", cookie.encode())]
    async with await trio.open_tcp_stream("127.0.0.1", port) as stream, trio.open_nursery() as nursery:
        socket = await wrap_client_stream(
            nursery, stream, host, "/_conductor/live", extra_headers=fields, max_message_size=_MAX_MESSAGE
        )
        await socket.send_message(json.dumps({"prove": proof}))
        yield Viewer(socket)
        nursery.cancel_scope.cancel()
