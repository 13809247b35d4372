"""Those who make a gateway work as hard as they can, each in one way, for ever; as another user where root may.

::

    python -m scripts.bench.attackers HOW PORT CONTROL_SOCKET
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import pwd
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from conductor_trio.access.tokens import hash_token
from conductor_trio.limits.constants import RELAY_NAME
from scripts.bench.machine import LOOPBACK, PATIENCE, connect
from scripts.bench.sessions import TOKEN

USER = "nobody"  # who exists everywhere, and has no quiet session
_ADDRESS = "127.0.0.2"  # where visitors of theirs come from
_COOKIE = f"Cookie: authorization={TOKEN}\r\n"
_CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"
_CHUNKS = b"1\r\nx\r\n" * 10_000
_OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
_VISITORS = 10
_STRANGERS = 20
_SESSIONS = 20
_PAGES = 250

Application = Callable[[socket.socket], None]


def _visit(port: int) -> socket.socket:
    return _patient(socket.create_connection((LOOPBACK, port), PATIENCE, (_ADDRESS, 0)))


def _patient(sock: socket.socket) -> socket.socket:
    """Return the socket without a deadline: who attacks is made to wait."""
    sock.settimeout(None)
    return sock


def _repeat(act: Callable[[], None]) -> None:
    """Do it again and again in a thread of its own, whatever comes of it."""

    def run() -> None:
        while True:
            with contextlib.suppress(OSError):
                act()
            time.sleep(0.01)

    threading.Thread(target=run, daemon=True).start()


def _send_for_ever(sock: socket.socket, data: bytes) -> None:
    while True:
        sock.sendall(data)


def _read_for_ever(sock: socket.socket) -> None:
    while sock.recv(1 << 20):
        pass


class Session:
    """A session of ours, each of whose connections `application` serves in a thread."""

    def __init__(self, control: Path, key: str, application: Application) -> None:
        self.channel = _patient(connect(control))
        lines = self.channel.makefile("rb")
        relay = os.path.join(json.loads(lines.readline())["directory"], RELAY_NAME)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(relay)
        os.chmod(relay, 0o660)
        self._listener.listen(1024)
        threading.Thread(target=self._serve, args=(application,), daemon=True).start()
        registration = {"auth": hash_token(TOKEN.encode()), "key": key, "extensions": ["owner", "resume"]}
        self.channel.sendall(json.dumps(registration).encode() + b"\n")
        self.host = str(json.loads(lines.readline())["urls"][0])

    def _serve(self, application: Application) -> None:
        while True:
            connection, _ = self._listener.accept()
            threading.Thread(target=self._serve_one, args=(application, connection), daemon=True).start()

    @staticmethod
    def _serve_one(application: Application, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            application(connection)

    def request(self, method: str = "GET", fields: str = "", path: str = "/") -> bytes:
        """Return the head of a request of one who is let in, without its end."""
        return f"{method} {path} HTTP/1.1\r\nHost: {self.host}\r\n{_COOKIE}{fields}".encode()


def _answer(connection: socket.socket) -> None:
    while data := connection.recv(1 << 16):
        connection.sendall(_OK * data.count(b"\r\n\r\n"))


def _answer_for_ever(begin: bytes, again: bytes, connection: socket.socket) -> None:
    connection.recv(1 << 16)
    connection.sendall(begin)
    _send_for_ever(connection, again)


def _ask(port: int, request: bytes) -> None:
    with _visit(port) as sock:
        sock.sendall(request)
        _read_for_ever(sock)


def _flood(address: int | Path, data: bytes) -> None:
    """Send the same without end, and read away what is answered."""
    with _visit(address) if isinstance(address, int) else _patient(connect(address)) as sock:
        threading.Thread(target=partial(_suppressed, _read_for_ever, sock), daemon=True).start()
        _send_for_ever(sock, data)


def _suppressed(act: Callable[[socket.socket], None], sock: socket.socket) -> None:
    with contextlib.suppress(OSError):
        act(sock)


def attack_pongs(port: int, control: Path) -> None:
    """A registered client that answers pings nobody has sent."""
    channel = Session(control, "pongs", _answer).channel
    threading.Thread(target=partial(_suppressed, _read_for_ever, channel), daemon=True).start()
    _send_for_ever(channel, b'{"event":"pong"}\n' * 3800)


def attack_lists(port: int, control: Path) -> None:
    """Twenty owners who list their sessions again and again, without waiting for the answers."""
    for _ in range(20):
        _repeat(partial(_flood, control, b'{"command":"list"}\n' * 3400))


def attack_downloads(begin: bytes, again: bytes, port: int, control: Path) -> None:
    """Visitors of an application that answers without end."""
    session = Session(control, "down", partial(_answer_for_ever, begin, again))
    for _ in range(_VISITORS):
        _repeat(partial(_ask, port, session.request() + b"\r\n"))


def attack_uploads(port: int, control: Path) -> None:
    """Visitors that send chunks of one byte without end."""
    session = Session(control, "up", _read_for_ever)

    def upload() -> None:
        with _visit(port) as sock:
            sock.sendall(session.request("POST") + _CHUNKED)
            _send_for_ever(sock, _CHUNKS)

    for _ in range(_VISITORS):
        _repeat(upload)


def attack_pages(port: int, control: Path) -> None:
    """Session pages of as many as may look on, while something changes all the time."""
    sessions = [Session(control, f"pages{number}", _answer) for number in range(4)]
    key = base64.b64encode(bytes(16)).decode()
    for number in range(_PAGES):
        session = sessions[number % len(sessions)]
        fields = (
            f"Connection: Upgrade\r\nUpgrade: websocket\r\nOrigin: http://{session.host}\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n"
        )
        _repeat(partial(_ask, port, session.request(fields=fields, path="/_conductor/live")))
    for session in sessions:
        _repeat(partial(_flood, port, session.request() + b"\r\n"))


def attack_sessions(port: int, control: Path) -> None:
    """The load of 200 connections on twenty sessions of one user."""
    for number in range(_SESSIONS):
        host = Session(control, f"many{number}", _answer).host
        arguments = ["wrk", "-t1", "-c10", "-d3600s", "-H", f"Host: {host}", "-H", _COOKIE.strip()]
        subprocess.Popen([*arguments, f"http://127.0.0.1:{port}/"])


def attack_as_stranger(request: bytes, port: int, control: Path) -> None:
    """Visitors of nobody, who ask without waiting for the answers."""
    for _ in range(_STRANGERS):
        _repeat(partial(_flood, port, request * max(1, 8000 // len(request))))


def attack_connections(port: int, control: Path) -> None:
    """Connections that say nothing, and are broken off at once."""
    for _ in range(_STRANGERS):
        _repeat(partial(_connect_often, port))


def _connect_often(port: int) -> None:
    while True:
        _visit(port).close()


_HEAD = "GET {path} HTTP/1.1\r\nHost: {host}\r\n{fields}\r\n"
_WRONG = "Cookie: " + "; ".join([f"authorization=wrong{number}" for number in range(200)]) + "\r\n"

ATTACKS: dict[str, Callable[[int, Path], None]] = {
    "pongs": attack_pongs,
    "lists": attack_lists,
    "chunks": partial(attack_downloads, b"HTTP/1.1 200 OK\r\n" + _CHUNKED, _CHUNKS),
    "uploads": attack_uploads,
    "interim": partial(attack_downloads, b"", b"HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\n" * 1000),
    "pages": attack_pages,
    "sessions": attack_sessions,
    "unknown": partial(attack_as_stranger, _HEAD.format(path="/", host="unknown.test", fields="").encode()),
    "status": partial(attack_as_stranger, _HEAD.format(path="/_conductor/status", host="x", fields="").encode()),
    "tokens": partial(attack_as_stranger, _HEAD.format(path="/", host="unknown.test", fields=_WRONG).encode()),
    "connections": attack_connections,
}


def main(how: str, port: int, control: Path) -> None:
    """Attack for ever."""
    if os.geteuid() == 0:
        user = pwd.getpwnam(USER)
        os.setgroups([])
        os.setgid(user.pw_gid)
        os.setuid(user.pw_uid)
    ATTACKS[how](port, control)
    threading.Event().wait()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))
