"""The ways to attack: each goes on until it is over."""

from __future__ import annotations

import base64
import contextlib
import itertools
import json
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from conductor_trio.access.tokens import hash_token
from conductor_trio.control.messages import OWNER_COMMANDS, RESUME
from scripts.attackers.attack import COOKIE, Attack, Session, answer, answer_on, patient, read_on, start
from scripts.bench.machine import BenchError, connect
from scripts.bench.sessions import LocalSession

_CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"
_CHUNKS = b"1\r\nx\r\n" * 10_000
_ENDLESS = b"Content-Length: %d\r\n\r\n" % (1 << 40)
_PIECE = bytes(64 * 1024)
_VISITORS = 10
_STRANGERS = 20
_SESSIONS = 20
_PAGES = 250
_SILENT = 100
_DRIBBLING = 1000


def attack_pongs(attack: Attack) -> None:
    """A registered client that answers pings nobody has sent."""
    channel = Session(attack.control, "pongs", answer, (OWNER_COMMANDS, RESUME)).channel
    start(partial(read_on, channel))
    start(partial(attack.send_on, channel, b'{"event":"pong"}\n' * 3800))
    attack.over.wait()
    Session(attack.control, "pongs", answer)  # takes the name over, and is not expected back


def attack_lists(attack: Attack) -> None:
    """Twenty owners who list their sessions again and again, without waiting for the answers."""
    for _ in attack.count(20):
        attack.repeat(partial(attack.flood, attack.control, b'{"command":"list"}\n' * 3400))


def attack_downloads(begin: bytes, again: bytes, attack: Attack) -> None:
    """Visitors of an application that answers without end."""
    session = Session(attack.control, "down", partial(answer_on, attack, begin, again))
    for _ in attack.count(_VISITORS):
        attack.repeat(partial(attack.ask, session.request() + b"\r\n"))


def attack_by_stalling(attack: Attack) -> None:
    """Visitors who ask for what has no end, and read nothing of it."""
    session = Session(
        attack.control, "stalled", partial(answer_on, attack, b"HTTP/1.1 200 OK\r\n" + _ENDLESS, _PIECE)
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
    session = Session(attack.control, "up", read_on)

    def upload() -> None:
        with attack.visit() as sock:
            sock.sendall(session.request("POST") + _CHUNKED)
            attack.send_on(sock, _CHUNKS)

    for _ in attack.count(_VISITORS):
        attack.repeat(upload)


def attack_pages(attack: Attack) -> None:
    """Session pages of as many as may look on, while something changes all the time."""
    sessions = [Session(attack.control, f"pages{number}", answer) for number in range(4)]
    for number in attack.count(_PAGES):
        attack.repeat(partial(attack.ask, _look_on(sessions[number % len(sessions)])))
    for session in sessions:
        attack.repeat(partial(attack.flood, attack.port, session.request() + b"\r\n"))


def attack_sessions(attack: Attack) -> None:
    """The load of 200 connections on twenty sessions of one user."""
    for number in attack.count(_SESSIONS):
        host = Session(attack.control, f"many{number}", answer).host
        arguments = ["wrk", "-t1", "-c10", "-d3600s", "-H", f"Host: {host}", "-H", COOKIE.strip()]
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


def attack_by_parts(attack: Attack) -> None:
    """A thousand connections whose heads come byte by byte, and another field's name each time."""

    def dribble() -> None:
        socks = [attack.visit() for _ in attack.count(_DRIBBLING)]
        try:
            for sock in socks:
                sock.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n")
            while not attack.is_over():
                for sock in socks:
                    sock.send(b"a")
                attack.begun.set()
        finally:
            for sock in socks:
                sock.close()

    attack.repeat(dribble)


def attack_bodies(fields: bytes, again: bytes, attack: Attack) -> None:
    """Visitors who send bodies without end: forms to the login page, or what an application does not wait for."""
    session = Session(attack.control, "bodies", read_on)
    path = "/" if fields else "/_conductor/login"
    request = session.request("POST", path=path) + fields + _CHUNKED

    def send() -> None:
        with attack.visit() as sock:
            start(partial(read_on, sock))
            sock.sendall(request)
            attack.send_on(sock, again)

    for _ in attack.count(_VISITORS):
        attack.repeat(send)


def attack_registrations(attack: Attack) -> None:
    """Clients that register and leave again and again, under another name each time."""
    with tempfile.TemporaryDirectory(prefix="a-") as directory, socket.socket(socket.AF_UNIX) as listener:
        application = Path(directory, "socket")
        listener.bind(str(application))
        application.chmod(0o660)
        listener.listen(_STRANGERS)
        numbers = itertools.count()

        def register() -> None:
            while not attack.is_over():
                try:
                    LocalSession(attack.control, application, f"fleeting{next(numbers)}").cut()
                except BenchError:  # too many a minute, which is seen now and then
                    attack.over.wait(0.1)
                attack.begun.set()

        for _ in attack.count(4):
            attack.repeat(register)
        attack.over.wait()


def attack_shares(attack: Attack) -> None:
    """Owners who share and revoke again and again."""
    session = Session(attack.control, "shared", answer)
    assert session.host

    def share(number: int) -> None:
        with patient(connect(attack.control)) as sock, sock.makefile("rb") as lines:
            lines.readline()
            while not attack.is_over():
                token = hash_token(f"{number} {time.monotonic()}".encode())
                sock.sendall(json.dumps({"command": "share", "key": "shared", "auth": token}).encode() + b"\n")
                match json.loads(lines.readline() or b"{}"):
                    case {"share": {"id": str(found)}}:
                        attack.begun.set()
                        sock.sendall(b'{"command":"revoke","key":"shared","share":"%s"}\n' % found.encode())
                        lines.readline()

    for number in attack.count(_VISITORS):
        attack.repeat(partial(share, number))


def attack_upgrades(attack: Attack) -> None:
    """Visitors whose tunnels carry a byte at a time, both ways."""

    def echo(connection: socket.socket) -> None:
        connection.recv(1 << 16)
        connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
        while data := connection.recv(16):
            connection.sendall(data)

    session = Session(attack.control, "tunnels", echo)
    request = session.request(fields="Connection: Upgrade\r\nUpgrade: x\r\n\r\n")

    def talk() -> None:
        with attack.visit() as sock:
            start(partial(read_on, sock))
            sock.sendall(request)
            attack.send_on(sock, b"x")

    for _ in attack.count(_STRANGERS):
        attack.repeat(talk)


def attack_as_clients(attack: Attack) -> None:
    """Clients that connect again and again, and say nothing."""

    def connect_often() -> None:
        with contextlib.ExitStack() as stack:
            for _ in attack.count(_SILENT):
                if attack.is_over():
                    break
                stack.enter_context(patient(connect(attack.control)))
                attack.begun.set()

    for _ in attack.count(_STRANGERS):
        attack.repeat(connect_often)


def attack_by_pings(attack: Attack) -> None:
    """A session's pages that ping without end, within a message that never ends."""
    session = Session(attack.control, "pinged", answer)
    request = _look_on(session)

    def ping() -> None:
        with attack.visit() as sock:
            start(partial(read_on, sock))
            sock.sendall(request + b"\x01\x80\0\0\0\0")
            attack.send_on(sock, (b"\x89\x80\0\0\0\0" + b"\0\x80\0\0\0\0") * 1000)

    for _ in attack.count(_VISITORS):
        attack.repeat(ping)


def _look_on(session: Session) -> bytes:
    """Return the request of a session's page for its WebSocket."""
    key = base64.b64encode(bytes(16)).decode()
    fields = (
        f"Connection: Upgrade\r\nUpgrade: websocket\r\nOrigin: http://{session.host}\r\n"
        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n"
    )
    return session.request(fields=fields, path="/_conductor/live")


_HEAD = "GET {path} HTTP/1.1\r\nHost: {host}\r\n{fields}\r\n"
_WRONG = "Cookie: " + "; ".join([f"authorization=wrong{number}" for number in range(200)]) + "\r\n"

_LARGE = "".join(f"X-{number}: {'a' * 600}\r\n" for number in range(90))  # within all bounds of a head

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
    "heads": partial(attack_as_stranger, _HEAD.format(path="/", host="unknown.test", fields=_LARGE).encode()),
    "connections": attack_connections,
    "silent": attack_by_silence,
    "parts": attack_by_parts,
    "forms": partial(attack_bodies, b"", _CHUNKS),
    "extensions": partial(attack_bodies, b"Expect: 100-continue\r\n", b"1;" + b"a=b;" * 60 + b"\r\nx\r\n"),
    "options": partial(attack_as_stranger, b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n"),
    "registrations": attack_registrations,
    "shares": attack_shares,
    "tunnels": attack_upgrades,
    "stalled": attack_by_stalling,
    "pings": attack_by_pings,
    "clients": attack_as_clients,
}
#: Those that bounds hold for, as beside others' work: a program's load knows none, and clients use up what others
#: of the same user need.
BOUNDED = tuple(how for how in ATTACKS if how not in ("sessions", "registrations", "clients"))
