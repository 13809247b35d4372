"""Visitors who ask again and again over connections that are kept, and know on which one a request was lost."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

import attrs

from scripts.bench.machine import connect
from scripts.bench.sessions import TOKEN

_READ_SIZE = 65536


@attrs.define
class Tally:
    """What became of the requests of all visitors."""

    answered: int = 0
    wrong: list[str] = attrs.field(factory=list)  #: first lines of answers that are not the application's
    lost: list[int] = attrs.field(factory=list)  #: the visitor's port of each connection that broke at a request
    refused: int = 0  #: connections that could not be made


def _visit(port: int, request: bytes, tally: Tally, is_over: threading.Event) -> None:
    while not is_over.is_set():
        try:
            connection = connect(port)
        except OSError:
            tally.refused += 1
            continue
        with connection:
            own = connection.getsockname()[1]
            while not is_over.is_set():
                answer = b""
                try:
                    connection.sendall(request)
                    while not answer.endswith(bytes(2000)) and (data := connection.recv(_READ_SIZE)):
                        answer += data
                except OSError:
                    answer = b""
                if not answer.endswith(bytes(2000)):
                    if answer:
                        tally.wrong.append(answer.partition(b"\r\n")[0].decode(errors="replace"))
                    tally.lost.append(own)
                    break
                tally.answered += 1
                if b"\r\nconnection: close" in answer.lower():
                    break


@contextlib.contextmanager
def open_visitors(count: int, port: int, host: str) -> Iterator[Tally]:
    """Have so many ask until this is left, and give what becomes of that."""
    request = f"GET /page HTTP/1.1\r\nHost: {host}\r\nCookie: authorization={TOKEN}\r\n\r\n".encode()
    tally, is_over = Tally(), threading.Event()
    threads = [threading.Thread(target=_visit, args=(port, request, tally, is_over)) for _ in range(count)]
    for thread in threads:
        thread.start()
    try:
        yield tally
    finally:
        is_over.set()
        for thread in threads:
            thread.join()
