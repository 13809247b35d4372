"""Sessions without a client process: this speaks the control channel itself; the application listens already."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import struct
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from conductor_trio.access.tokens import hash_token
from conductor_trio.control.events import Leave, format_event
from conductor_trio.control.messages import RESUME
from conductor_trio.limits.constants import RELAY_NAME
from scripts.bench.machine import BenchError, connect

TOKEN = "bench-token-0123456789abcdefghijk"  # as long as one that the client makes up
_RESET = struct.pack("ii", 1, 0)


class LocalSession:
    """A session of this host's gateway, live as soon as it is made; raises `BenchError`.

    Its relay socket is one more name of the application's own: nothing of ours stands between it and the gateway.
    With `speaks_resume` a session that merely ends counts as lost, and so does one that lives long enough for its
    silence to be noticed: nobody answers the pings.
    """

    def __init__(
        self, control: Path, application: Path, key: str, *, token: str = TOKEN, speaks_resume: bool = False
    ) -> None:
        self._application = application
        self._channel = connect(control)
        self._lines = self._channel.makefile("rb")
        try:
            self.relay = Path(str(self._receive()["directory"]), RELAY_NAME)
            os.link(application, self.relay)
            registration: dict[str, object] = {"auth": hash_token(token.encode()), "key": key}
            self._send(registration | ({"extensions": [RESUME]} if speaks_resume else {}))
            match self._receive():
                case {"urls": [str(host), *_]}:
                    self.host = host
                case reply:
                    raise BenchError(f"the gateway replied {reply}")
        except BaseException:
            self.cut()
            raise

    def __enter__(self) -> LocalSession:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        self.end()

    def _send(self, message: dict[str, object]) -> None:
        self._channel.sendall(json.dumps(message).encode() + b"\n")

    def _receive(self) -> dict[str, object]:
        reply: dict[str, object] = json.loads(self._lines.readline() or b"{}")
        if reply.get("status") != "ok":
            raise BenchError(f"the gateway refused the application: {reply.get('reason', 'it closed')}")
        return reply

    def leave(self) -> None:
        """End on purpose, so that nobody is expected back; returns once the server has taken note."""
        with contextlib.suppress(OSError):
            self._channel.sendall(format_event(Leave()))
        self.end()

    def end(self) -> None:
        """End; returns once the server has taken note, and closed the channel."""
        with contextlib.suppress(OSError):
            self._channel.shutdown(socket.SHUT_WR)
            while self._lines.readline():
                pass
        self.cut()

    def cut(self) -> None:
        """Close the channel, come what may."""
        self._lines.close()
        self._channel.close()

    def swap_relay(self) -> None:
        """Put another socket where the relay socket was; returns once the server has ended the session."""
        with contextlib.suppress(FileNotFoundError), socket.socket(socket.AF_UNIX) as other:
            spare = self.relay.with_name("spare")
            other.bind(str(spare))
            spare.chmod(0o660)
            os.rename(spare, self.relay)
            while self._lines.readline():
                pass
        self.cut()


def open_sessions(
    stack: contextlib.ExitStack, control: Path, application: Path, keys: Sequence[str]
) -> list[LocalSession]:
    """Open a session for each key; they end with the stack."""
    return [stack.enter_context(LocalSession(control, application, key)) for key in keys]
