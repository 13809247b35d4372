"""Visitors who ask for much and read it slowly, for ever.

::

    python -m scripts.bench.slow_readers PORT HOST TARGET CONNECTIONS
"""

from __future__ import annotations

import contextlib
import itertools
import sys
import time

from scripts.bench.load import browser_headers
from scripts.bench.machine import connect

_RATE = 1024 * 1024  # bytes a second of each
_READ_SIZE = 16 * 1024


def read_slowly(port: int, host: str, target: str, count: int) -> None:
    """Ask once on each of `count` connections, and read all of them in turn."""
    request = "\r\n".join([f"GET {target} HTTP/1.1", *browser_headers(host), "", ""]).encode()
    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(connect(port)) for _ in range(count)]
        pause = _READ_SIZE / _RATE / count
        for number, connection in enumerate(itertools.cycle(connections)):
            if number < count:
                connection.sendall(request)
            if not connection.recv(_READ_SIZE):
                raise SystemExit("a connection ended")
            time.sleep(pause)


if __name__ == "__main__":
    read_slowly(int(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4]))
