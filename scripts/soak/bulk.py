"""Visitors with large bodies, down and up in turn: ``python -m scripts.soak.bulk PORT HOST BODIES``."""

from __future__ import annotations

import sys

from scripts.bench.load import browser_headers
from scripts.bench.machine import connect
from scripts.bench.transfer import read_head
from scripts.soak.application import BULK_SIZE, SMALL_BODY

_BLOCK = 1024 * 1024


def visit(port: int, host: str, count: int) -> None:
    """Have that many bodies carried, whole, on one connection; raises `BenchError`."""
    block = memoryview(bytearray(_BLOCK))
    fields = browser_headers(host)
    download = "\r\n".join(["GET /bulk HTTP/1.1", *fields, "", ""]).encode()
    upload = "\r\n".join(["POST /small HTTP/1.1", *fields, f"Content-Length: {BULK_SIZE}", "", ""]).encode()
    with connect(port) as sock:
        for number in range(count):
            is_download = number % 2 == 0
            sock.sendall(download if is_download else upload)
            for _ in range(0 if is_download else BULK_SIZE // _BLOCK):
                sock.sendall(block)
            expected = BULK_SIZE if is_download else len(SMALL_BODY)
            length, received = read_head(sock)
            while received < length and (size := sock.recv_into(block)):
                received += size
            if not length == received == expected:
                raise SystemExit(
                    f"a body of {received} bytes, announced as {length}, where {expected} were to come"
                )


if __name__ == "__main__":
    visit(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
