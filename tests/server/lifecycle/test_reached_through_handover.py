"""Whoever connects to a socket of the server's at any moment of a hand-over finds somebody there."""

from __future__ import annotations

import json
import socket
import struct
from pathlib import Path

import trio

from tests.support.programs import wait_gone
from tests.support.served_file import open_filed_server
from tests.support.successors import entries, upgrade


def knock(paths: list[Path], is_over: list[bool]) -> int:
    """Connect without a pause until that is over, and return how often; raises OSError where nobody listens."""
    count = 0
    while not is_over:
        for path in paths:
            with socket.socket(socket.AF_UNIX) as sock:
                # Blocking, so that a full backlog is waited for, which a timeout of Python's does not.
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", 20, 0))
                sock.connect(str(path))
                count += 1
    return count


async def test_clients_and_operators_find_a_server_at_every_moment(short_tmp: Path, runtime_dir: Path) -> None:
    async with open_filed_server(short_tmp, "") as filed:
        is_over: list[bool] = []
        sockets = [runtime_dir / "admin", runtime_dir / "client"]
        first = [path.stat().st_ino for path in sockets]

        async def keep_knocking() -> None:
            assert await trio.to_thread.run_sync(knock, sockets, is_over)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(keep_knocking)
            try:
                for _ in range(3):
                    former = filed.pid
                    await upgrade(filed.server)
                    await wait_gone(former)
            finally:
                is_over.append(True)
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(20)
            sock.connect(str(runtime_dir / "admin"))
            sock.sendall(b'{"command": "orders"}\n')
            with sock.makefile("rb") as answer:
                assert json.loads(answer.readline())["status"] == "ok"
        assert not entries(filed.program, "handover_failed")
        assert [path.stat().st_ino for path in sockets] == first
        assert [path.name for path in runtime_dir.glob("admin*")] == ["admin"]
