"""Visitors who behave: ``python -m scripts.soak.patient PORT HOST REQUESTS``."""

from __future__ import annotations

import contextlib
import sys

from scripts.bench.load import browser_headers
from scripts.bench.machine import connect
from scripts.soak.application import SMALL_BODY

_CONNECTIONS = 16
_ROUNDS = 200  # requests of a connection; then all are made anew
_READ_SIZE = 65536


def visit(port: int, host: str, count: int) -> None:
    """Have that many requests answered, whole and in order, over connections that are kept for a while."""
    request = "\r\n".join(["GET /small HTTP/1.1", *browser_headers(host), "", ""]).encode()
    while count > 0:
        with contextlib.ExitStack() as stack:
            connections = [stack.enter_context(connect(port)) for _ in range(min(count, _CONNECTIONS))]
            for _ in range(min(_ROUNDS, count // len(connections))):
                for connection in connections:
                    connection.sendall(request)
                for connection in connections:
                    answer = b""
                    while not answer.endswith(b"\r\n\r\n" + SMALL_BODY):
                        chunk = connection.recv(_READ_SIZE)
                        if not chunk:
                            raise SystemExit(f"an answer ended with {answer[-200:]!r}")
                        answer += chunk
                    if not answer.startswith(b"HTTP/1.1 200 "):
                        raise SystemExit(f"an answer began with {answer[:200]!r}")
                count -= len(connections)


if __name__ == "__main__":
    visit(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
