"""Sessions that come and go in every way.

::

    python -m scripts.soak.churn CONTROL APPLICATION PORT SESSIONS SEED PREFIX
"""

from __future__ import annotations

import contextlib
import os
import random
import socket
import sys
import time
from pathlib import Path

from scripts.bench.load import browser_headers
from scripts.bench.machine import BenchError, connect
from scripts.bench.sessions import LocalSession

_SLOTS = 8  # sessions at once
_PER_MINUTE = 500  # two of these stay below what the gateway allows one user
_READ_SIZE = 65536
_TARGETS = ("/late", "/large", "/pieces", "/echo")


class Slot:
    """A key, and now and then a session that has it."""

    def __init__(self, key: str, control: Path, application: Path, port: int, dice: random.Random) -> None:
        self._key = key
        self._control = control
        self._application = application
        self._port = port
        self._dice = dice
        self._session: LocalSession | None = None
        self._is_missed = False  # the gateway waits for it to come back
        self._visitors: list[socket.socket] = []

    def turn(self) -> int:
        """Open a session where there is none, and end the one that there is; returns how many were opened."""
        if self._session is not None:
            self._send_visitors(self._session.host)
            return self._end(self._session)
        if self._dice.random() < 0.1:
            self._begin_and_leave()
        else:
            self._open()
            self._dismiss_visitors()
        return 1

    def finish(self) -> None:
        """Have no session, and be missed by nobody."""
        if self._session is None and self._is_missed:
            self._open()
        if self._session is not None:
            self._session.leave()
        self._dismiss_visitors()

    def _open(self) -> None:
        speaks_resume = self._is_missed or self._dice.random() < 0.7
        self._session = LocalSession(self._control, self._application, self._key, speaks_resume=speaks_resume)
        self._is_missed = speaks_resume

    def _begin_and_leave(self) -> None:
        """Go no further than a part of the registration."""
        with connect(self._control) as channel:
            if self._dice.random() < 0.7:
                channel.recv(_READ_SIZE)
            channel.sendall(self._dice.choice([b"", b'{"auth": "', b"what?\n", b'{"auth": 1}\n', b"\n\n"]))

    def _end(self, session: LocalSession) -> int:
        """End the session in one of many ways; returns how many were opened for that."""
        self._session = None
        match self._dice.choice(["leave", "end", "cut", "swap", "unlink", "replace"]):
            case "leave":
                session.leave()
                self._is_missed = False
            case "end":
                session.end()
            case "cut":
                session.cut()
            case "swap":
                session.swap_relay()
            case "unlink":
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(session.relay)
                session.end()
            case "replace":
                self._open()
                session.end()
                return 1
        return 0

    def _send_visitors(self, host: str) -> None:
        """Have up to three visitors in the middle of something when the session ends."""
        for _ in range(self._dice.randrange(4)):
            visitor = connect(self._port)
            self._visitors.append(visitor)
            target = self._dice.choice(_TARGETS)
            upgrade = ["Upgrade: websocket", "Connection: Upgrade"] if target == "/echo" else []
            lines = [f"GET {target} HTTP/1.1", *browser_headers(host), *upgrade, "", ""]
            visitor.sendall("\r\n".join(lines).encode())

    def _dismiss_visitors(self) -> None:
        """Let the visitors go, who may have been held until the session came back."""
        while self._visitors:
            self._visitors.pop().close()


def churn(control: Path, application: Path, port: int, count: int, seed: int, prefix: str) -> None:
    """Open that many sessions, not too many a minute, and end all of them; their keys begin with `prefix`."""
    dice = random.Random(seed)
    slots = [Slot(f"{prefix}{number}", control, application, port, dice) for number in range(_SLOTS)]
    begin = time.monotonic()
    opened = 0
    while opened < count:
        for slot in slots:
            opened += slot.turn()
        time.sleep(max(0.0, begin + (opened - _SLOTS) * 60 / _PER_MINUTE - time.monotonic()))
    for slot in slots:
        slot.finish()


if __name__ == "__main__":
    control, application, port, sessions, seed, prefix = sys.argv[1:]
    try:
        churn(Path(control), Path(application), int(port), int(sessions), int(seed), prefix)
    except (BenchError, OSError) as error:
        sys.exit(f"a session: {error}")
