"""Tunnels of visitors to a session at a server that runs as a process, and what its owner orders."""

from __future__ import annotations

import hashlib
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from typing import Any

import trio

from tests.support.live_session import HOST, TOKEN
from tests.support.programs import Server
from tests.support.session_bench import Client


@asynccontextmanager
async def open_tunnel(server: Server, token: str = TOKEN) -> AsyncIterator[trio.SocketStream]:
    """Give a visitor's connection that has become a tunnel."""
    async with await trio.open_tcp_stream("127.0.0.1", server.port) as visitor:
        await visitor.send_all(
            f"GET / HTTP/1.1\r\nHost: {HOST}\r\nCookie: authorization={token}\r\n"
            "Connection: Upgrade\r\nUpgrade: x\r\n\r\n".encode()
        )
        received = b""
        while not received.endswith(b"\r\n\r\n"):
            received += await visitor.receive_some(1)
        assert received.startswith(b"HTTP/1.1 101 "), received
        yield visitor


async def command(server: Server, **fields: object) -> dict[str, Any]:
    """Give an owner's command to the server that accepts, and return the answer."""
    sock = socket.socket(socket.AF_UNIX)
    sock.connect(str(server.control_socket))
    with closing(Client(sock)) as client:
        await client.greet()
        await client.send(json.dumps({"key": "app", **fields}).encode() + b"\n")
        answer = await client.receive()
        assert answer is not None and answer["status"] == "ok", answer
        return answer


async def share(server: Server, token: str, seconds: float | None = None) -> str:
    """Share the session, and return the share's id."""
    auth = hashlib.blake2b(token.encode()).hexdigest()
    answer = await command(server, command="share", auth=auth, label="guest", **{"for": seconds})
    return str(answer["share"]["id"])
