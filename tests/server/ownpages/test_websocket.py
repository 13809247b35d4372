"""The WebSockets of own pages; what is sent over them: test_session_socket, dashboard/test_desk."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.dashboards import open_dashboard_engine

UPGRADE = b"Connection: upgrade\r\nUpgrade: websocket\r\nOrigin: http://admin.test\r\n"


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        (b"", 426),
        (b"Sec-WebSocket-Version: 12\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", 426),
        (b"Sec-WebSocket-Version: 13\r\n", 400),
        (b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: x\r\n", 400),
        (b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", 101),
    ],
)
async def test_what_is_no_handshake_is_answered(short_tmp: Path, fields: bytes, status: int) -> None:
    async with open_dashboard_engine(short_tmp) as dashboard:
        cookie = await dashboard.enter()
        visitor = dashboard.engine.connect()
        await visitor.send(
            b"GET /_conductor/live HTTP/1.1\r\nHost: admin.test\r\nCookie: conductor-admin="
            + cookie.encode()
            + b"\r\n"
            + UPGRADE
            + fields
            + b"\r\n"
        )
        assert (await visitor.receive_until(b"\r\n")).split(b" ")[1] == b"%d" % status
        visitor.close()
