"""Peers that stall: what one connection has the gateway hold in memory, by what it does and by plain or TLS.

::

    python -m scripts.bench.stalled [CONNECTIONS]

Each kind has a gateway of its own. Visitors ask for what never ends and read nothing, or send without end to an
application that reads nothing, or pipeline to one that answers slowly. What is told is the growth of the gateway's
resident memory for each connection, in KiB: what the connection itself costs is in it, as the row "idle" shows.
"""

from __future__ import annotations

import contextlib
import itertools
import socket
import ssl
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import trustme

from scripts.bench.machine import LOOPBACK, allow_many_files, resident_bytes
from scripts.bench.peers import Certificate, Site, control_socket, open_gateway, ours_command
from scripts.bench.sessions import TOKEN, LocalSession

_SETTLE = 3.0  # seconds until nothing moves any more
_PIECE = bytes(64 * 1024)
_LENGTH = 1 << 40
_CHUNK = b"10000\r\n" + _PIECE + b"\r\n"

Serve = Callable[[socket.socket], None]


def _send_for_ever(sock: socket.socket, head: bytes, piece: bytes) -> None:
    sock.sendall(head)
    while True:
        sock.sendall(piece)


def _application(kind: str) -> Serve:
    """Return what serves one connection to the application."""
    ok = b"HTTP/1.1 200 OK\r\n"

    def serve(sock: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            if not (data := sock.recv(4096)):
                return
            head += data
        if kind == "download":
            _send_for_ever(sock, ok + b"Content-Length: %d\r\n\r\n" % _LENGTH, _PIECE)
        if kind == "chunked":
            _send_for_ever(sock, ok + b"Transfer-Encoding: chunked\r\n\r\n", _CHUNK)
        if kind == "websocket":
            _send_for_ever(
                sock, b"HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n", _PIECE
            )
        if kind == "idle":
            sock.sendall(ok + b"Content-Length: 2\r\n\r\nok")
        time.sleep(1e6)

    return serve


def _request(kind: str, host: str) -> tuple[bytes, bytes]:
    """Return what a visitor sends first, and then without end."""
    fields = f"Host: {host}\r\nCookie: authorization={TOKEN}\r\n".encode()
    get = b"GET / HTTP/1.1\r\n" + fields + b"\r\n"
    match kind:
        case "upload":
            return b"POST / HTTP/1.1\r\n" + fields + b"Content-Length: %d\r\n\r\n" % _LENGTH, _PIECE
        case "chunked upload":
            return b"POST / HTTP/1.1\r\n" + fields + b"Transfer-Encoding: chunked\r\n\r\n", _CHUNK
        case "websocket":
            upgrade = b"Connection: upgrade\r\nUpgrade: websocket\r\n"
            return b"GET / HTTP/1.1\r\n" + fields + upgrade + b"\r\n", _PIECE
        case "pipelining":
            return get, get * 100
    return get, b""


def _run_quietly(run: Callable[[], None]) -> None:
    def contained() -> None:
        with contextlib.suppress(OSError, ValueError):
            run()

    threading.Thread(target=contained, daemon=True).start()


@contextlib.contextmanager
def _open_application(path: Path, serve: Serve) -> Iterator[None]:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        path.chmod(0o660)
        listener.listen(1024)
        kept = []

        def accept() -> None:
            while True:
                sock, _ = listener.accept()
                kept.append(sock)
                _run_quietly(partial(serve, sock))

        _run_quietly(accept)
        yield
        for sock in kept:
            sock.close()


def _make_certificate(directory: Path) -> Certificate:
    issued = trustme.CA().issue_cert("localhost", "*.localhost")
    both = directory / "both.pem"
    issued.private_key_and_cert_chain_pem.write_to_path(both)
    return Certificate(chain=both, key=both, both=both)


def measure(kind: str, count: int, *, tls: bool) -> float:
    """Return how many KiB of the gateway's memory each of `count` stalled connections takes."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        directory = Path(name)
        certificate = _make_certificate(directory) if tls else None
        site = Site(directory=directory, upstream=directory / "app", certificate=certificate)
        stack.enter_context(_open_application(site.upstream, _application(kind)))
        process = stack.enter_context(open_gateway("ours", site, ours_command(site)))
        session = stack.enter_context(LocalSession(control_socket(site), site.upstream, "bench"))
        first, more = _request(kind, session.host)

        def visit() -> None:
            raw = socket.create_connection((LOOPBACK, site.port))
            sock = context.wrap_socket(raw) if tls else raw
            stack.callback(sock.close)
            sock.sendall(first)
            if more:
                _run_quietly(lambda: _send_for_ever(sock, b"", more))

        visit()
        time.sleep(1)
        before = resident_bytes(process.pid)
        for _ in range(count):
            visit()
        time.sleep(_SETTLE)
        return (resident_bytes(process.pid) - before) / 1024 / count


def main() -> None:
    """Measure all kinds and print a table."""
    allow_many_files()
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    kinds = ("idle", "download", "chunked", "websocket", "upload", "chunked upload", "pipelining")
    print(f"KiB for each of {count} connections\n{'':16}{'plain':>8}{'TLS':>8}")
    for kind, tls in itertools.product(kinds, (False, True)):
        print(f"{'' if tls else kind:16}" if not tls else "", end="")
        print(f"{measure(kind, count, tls=tls):8.1f}", end="\n" if tls else "", flush=True)


if __name__ == "__main__":
    main()
