"""The ways to attack, and those who do: each goes on until it is over."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import attrs

from conductor_trio.access.tokens import hash_token
from conductor_trio.control.messages import OWNER_COMMANDS, RESUME
from conductor_trio.limits.constants import RELAY_NAME
from scripts.bench.machine import LOOPBACK, connect
from scripts.bench.sessions import TOKEN

_ADDRESS = "127.0.0.2"  # where visitors of theirs come from
_COOKIE = f"Cookie: authorization={TOKEN}\r\n"
_CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"
_CHUNKS = b"1\r\nx\r\n" * 10_000
_ENDLESS = b"Content-Length: %d\r\n\r\n" % (1 << 40)
_PIECE = bytes(64 * 1024)
_OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
_VISITORS = 10
_STRANGERS = 20
_SESSIONS = 20
_PAGES = 250
_SILENT = 100

Application = Callable[[socket.socket], None]


@attrs.frozen(kw_only=True)
class Attack:
    """One that goes on: at what, and with how much of what it could do."""

    port: int
    control: Path
    peers: int | None = None  # of each sort, at most
    pause: float = 0.0  # between two pieces of what one of them sends
    over: threading.Event = attrs.field(factory=threading.Event)
    begun: threading.Event = attrs.field(factory=threading.Event)  # something was sent

    def count(self, wanted: int) -> range:
        """Return the numbers of as many peers as are wanted, or may be."""
        return range(wanted if self.peers is None else min(wanted, self.peers))

    def visit(self) -> socket.socket:
        """Return a connection of a visitor's."""
        # Without a look-up of names, for which another user may not be able to load what it takes.
        sock = socket.socket()
        try:
            sock.bind((_ADDRESS, 0))
            sock.connect((LOOPBACK, self.port))
        except BaseException:
            sock.close()
            raise
        return sock

    def is_over(self) -> bool:
        """Take the pause; return whether that was all."""
        return self.over.wait(self.pause) if self.pause else self.over.is_set()

    def send_on(self, sock: socket.socket, data: bytes) -> None:
        """Send the same again and again."""
        while not self.is_over():
            sock.sendall(data)
            self.begun.set()

    def repeat(self, act: Callable[[], None]) -> None:
        """Do it again and again in a thread of its own, whatever comes of it."""

        def run() -> None:
            while not self.is_over():
                try:
                    act()
                except OSError:
                    pass
                except BaseException:  # a fault of ours: nobody attacks as they should
                    self.over.set()
                    raise
                time.sleep(0.01)

        threading.Thread(target=run, daemon=True).start()

    def ask(self, request: bytes) -> None:
        """Send a request, and read away what is answered."""
        with self.visit() as sock:
            sock.sendall(request)
            self.begun.set()
            _read_on(sock)

    def flood(self, address: int | Path, data: bytes) -> None:
        """Send the same without end, and read away what is answered."""
        with self.visit() if isinstance(address, int) else _patient(connect(address)) as sock:
            _start(partial(_read_on, sock))
            self.send_on(sock, data)


def _patient(sock: socket.socket) -> socket.socket:
    """Return the socket without a deadline: who attacks is made to wait."""
    sock.settimeout(None)
    return sock


def _read_on(sock: socket.socket) -> None:
    while sock.recv(1 << 20):
        pass


def _start(act: Callable[[], None]) -> None:
    """Do it in a thread of its own, until the gateway does not want it any more."""

    def run() -> None:
        with contextlib.suppress(OSError):
            act()

    threading.Thread(target=run, daemon=True).start()


class Session:
    """A session of ours, each of whose connections `application` serves in a thread."""

    def __init__(
        self, control: Path, key: str, application: Application, extensions: Sequence[str] = (OWNER_COMMANDS,)
    ) -> None:
        self.channel = _patient(connect(control))
        lines = self.channel.makefile("rb")
        relay = os.path.join(json.loads(lines.readline())["directory"], RELAY_NAME)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(relay)
        os.chmod(relay, 0o660)
        self._listener.listen(1024)
        threading.Thread(target=self._serve, args=(application,), daemon=True).start()
        registration = {"auth": hash_token(TOKEN.encode()), "key": key, "extensions": [*extensions]}
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


def _answer_on(attack: Attack, begin: bytes, again: bytes, connection: socket.socket) -> None:
    connection.recv(1 << 16)
    connection.sendall(begin)
    attack.send_on(connection, again)


def attack_pongs(attack: Attack) -> None:
    """A registered client that answers pings nobody has sent."""
    channel = Session(attack.control, "pongs", _answer, (OWNER_COMMANDS, RESUME)).channel
    _start(partial(_read_on, channel))
    _start(partial(attack.send_on, channel, b'{"event":"pong"}\n' * 3800))
    attack.over.wait()
    Session(attack.control, "pongs", _answer)  # takes the name over, and is not expected back


def attack_lists(attack: Attack) -> None:
    """Twenty owners who list their sessions again and again, without waiting for the answers."""
    for _ in attack.count(20):
        attack.repeat(partial(attack.flood, attack.control, b'{"command":"list"}\n' * 3400))


def attack_downloads(begin: bytes, again: bytes, attack: Attack) -> None:
    """Visitors of an application that answers without end."""
    session = Session(attack.control, "down", partial(_answer_on, attack, begin, again))
    for _ in attack.count(_VISITORS):
        attack.repeat(partial(attack.ask, session.request() + b"\r\n"))


def attack_by_stalling(attack: Attack) -> None:
    """Visitors who ask for what has no end, and read nothing of it."""
    session = Session(
        attack.control, "stalled", partial(_answer_on, attack, b"HTTP/1.1 200 OK\r\n" + _ENDLESS, _PIECE)
    )
    _hold(attack, _VISITORS, session.request() + b"\r\n")


def attack_by_silence(attack: Attack) -> None:
    """Connections that say nothing, and stay."""
    _hold(attack, _SILENT, b"")


def _hold(attack: Attack, count: int, request: bytes) -> None:
    def hold() -> None:
        with attack.visit() as sock:
            sock.sendall(request)
            attack.begun.set()
            attack.over.wait()

    for _ in attack.count(count):
        attack.repeat(hold)


def attack_uploads(attack: Attack) -> None:
    """Visitors that send chunks of one byte without end."""
    session = Session(attack.control, "up", _read_on)

    def upload() -> None:
        with attack.visit() as sock:
            sock.sendall(session.request("POST") + _CHUNKED)
            attack.send_on(sock, _CHUNKS)

    for _ in attack.count(_VISITORS):
        attack.repeat(upload)


def attack_pages(attack: Attack) -> None:
    """Session pages of as many as may look on, while something changes all the time."""
    sessions = [Session(attack.control, f"pages{number}", _answer) for number in range(4)]
    key = base64.b64encode(bytes(16)).decode()
    for number in attack.count(_PAGES):
        session = sessions[number % len(sessions)]
        fields = (
            f"Connection: Upgrade\r\nUpgrade: websocket\r\nOrigin: http://{session.host}\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n"
        )
        attack.repeat(partial(attack.ask, session.request(fields=fields, path="/_conductor/live")))
    for session in sessions:
        attack.repeat(partial(attack.flood, attack.port, session.request() + b"\r\n"))


def attack_sessions(attack: Attack) -> None:
    """The load of 200 connections on twenty sessions of one user."""
    for number in attack.count(_SESSIONS):
        host = Session(attack.control, f"many{number}", _answer).host
        arguments = ["wrk", "-t1", "-c10", "-d3600s", "-H", f"Host: {host}", "-H", _COOKIE.strip()]
        subprocess.Popen([*arguments, f"http://127.0.0.1:{attack.port}/"])
        attack.begun.set()


def attack_as_stranger(request: bytes, attack: Attack) -> None:
    """Visitors of nobody, who ask without waiting for the answers."""
    for _ in attack.count(_STRANGERS):
        attack.repeat(partial(attack.flood, attack.port, request * max(1, 8000 // len(request))))


def attack_connections(attack: Attack) -> None:
    """Connections that say nothing, and are broken off at once."""

    def connect_often() -> None:
        while not attack.is_over():
            attack.visit().close()
            attack.begun.set()

    for _ in attack.count(_STRANGERS):
        attack.repeat(connect_often)


_HEAD = "GET {path} HTTP/1.1\r\nHost: {host}\r\n{fields}\r\n"
_WRONG = "Cookie: " + "; ".join([f"authorization=wrong{number}" for number in range(200)]) + "\r\n"

ATTACKS: dict[str, Callable[[Attack], None]] = {
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
    "silent": attack_by_silence,
    "stalled": attack_by_stalling,
}
#: Those that bounds hold for, as beside others' work: a program's load knows none.
BOUNDED = tuple(how for how in ATTACKS if how != "sessions")
