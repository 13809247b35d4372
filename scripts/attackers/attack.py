"""Who attacks: at what, from where, for how long; and a session of theirs."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import attrs

from conductor_trio.access.tokens import hash_token
from conductor_trio.control.messages import OWNER_COMMANDS
from conductor_trio.limits.constants import RELAY_NAME
from scripts.bench.machine import LOOPBACK, connect
from scripts.bench.sessions import TOKEN

_ADDRESS = "127.0.0.2"  # where visitors of theirs come from
COOKIE = f"Cookie: authorization={TOKEN}\r\n"
_OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

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
            read_on(sock)

    def flood(self, address: int | Path, data: bytes) -> None:
        """Send the same without end, and read away what is answered."""
        with self.visit() if isinstance(address, int) else patient(connect(address)) as sock:
            start(partial(read_on, sock))
            self.send_on(sock, data)


def patient(sock: socket.socket) -> socket.socket:
    """Return the socket without a deadline: who attacks is made to wait."""
    sock.settimeout(None)
    return sock


def read_on(sock: socket.socket) -> None:
    """Read away what comes, to the end."""
    while sock.recv(1 << 20):
        pass


def start(act: Callable[[], None]) -> None:
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
        self.channel = patient(connect(control))
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
        return f"{method} {path} HTTP/1.1\r\nHost: {self.host}\r\n{COOKIE}{fields}".encode()


def answer(connection: socket.socket) -> None:
    """Answer each request."""
    while data := connection.recv(1 << 16):
        connection.sendall(_OK * data.count(b"\r\n\r\n"))


def answer_on(attack: Attack, begin: bytes, again: bytes, connection: socket.socket) -> None:
    """Answer a request with something that goes on without end."""
    connection.recv(1 << 16)
    connection.sendall(begin)
    attack.send_on(connection, again)
