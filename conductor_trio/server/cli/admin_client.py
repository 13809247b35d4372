"""The operator's end of ``<runtime>/admin``: gives a command, and takes the answer."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Iterator

import attrs

from conductor_trio.control.lines import LineReader
from conductor_trio.control.messages import JSONObject
from conductor_trio.errors import ConductorError, StartError
from conductor_trio.limits.constants import (
    ADMIN_READ_SIZE,
    ADMIN_RELOAD_TIMEOUT,
    ADMIN_RETRY_PAUSE,
    ADMIN_RETRY_TIMEOUT,
    ADMIN_TIMEOUT,
    MAX_ADMIN_LINE,
)
from conductor_trio.server.admin.messages import Command, Reload, format_command, parse_answer
from conductor_trio.server.lifecycle.runtime_directory import admin_path


@attrs.frozen(kw_only=True)
class Answer:
    """What the server answers: the items of a list, and what follows on it."""

    items: list[JSONObject]
    fields: JSONObject


class NoServerError(StartError):
    """No server runs on that runtime directory."""


class _Lost(Exception):
    """The server closed the connection before it had answered: another one takes its place, perhaps."""


class AdminClient:
    """Gives commands over one connection, and over another where that is lost, as in a hand-over."""

    def __init__(self, runtime_dir: str) -> None:
        self._path = admin_path(os.path.abspath(runtime_dir))
        self._sock: socket.socket | None = None
        self._lines = LineReader(MAX_ADMIN_LINE)

    def close(self) -> None:
        """Close the connection, if there is one."""
        if self._sock is not None:
            self._sock.close()
            self._sock = None

    def command(self, command: Command | Reload) -> Answer:
        """Give a command and return the answer; raises `CommandRefused` and other `ConductorError`.

        Where the connection is lost, the command is given again: all of them can be.
        """
        give_up_at: float | None = None
        while True:
            try:
                return self._command(command)
            except _Lost:
                self.close()
                now = time.monotonic()
                give_up_at = give_up_at or now + ADMIN_RETRY_TIMEOUT
                if now > give_up_at:
                    raise ConductorError(
                        f"the server at {self._path} closes the connection again and again",
                        advice="look at its log",
                    ) from None
                time.sleep(ADMIN_RETRY_PAUSE)

    def _command(self, command: Command | Reload) -> Answer:
        if self._sock is None:
            self._sock = self._connect()
            self._lines = LineReader(MAX_ADMIN_LINE)
        self._sock.settimeout(ADMIN_RELOAD_TIMEOUT if isinstance(command, Reload) else ADMIN_TIMEOUT)
        # Whoever is refused may find the connection closed, and why in what has come.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self._sock.sendall(format_command(command))
        items: list[JSONObject] = []
        for line in self._receive(self._sock):
            told, is_end = parse_answer(line)
            if is_end:
                return Answer(items=items, fields=told)
            items.append(told)
        raise _Lost

    def _receive(self, sock: socket.socket) -> Iterator[bytes]:
        while True:
            while (line := self._lines.next_event()) is not None:
                yield line
            try:
                data = sock.recv(ADMIN_READ_SIZE)
            except ConnectionResetError:
                return
            except TimeoutError:
                raise ConductorError(
                    f"the server at {self._path} does not answer",
                    advice="it may be busy or stopped: look at its log",
                ) from None
            if not data:
                return
            self._lines.receive_data(data)

    def _connect(self) -> socket.socket:
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(ADMIN_TIMEOUT)
        try:
            sock.connect(self._path)
        except OSError as error:
            sock.close()
            raise _explain(self._path, error) from error
        return sock


def _explain(path: str, error: OSError) -> ConductorError:
    match error:
        case PermissionError():
            return ConductorError(
                f"you may not use {path}",
                advice="root may, the server's own user, and who is in its --admin-group",
            )
        case FileNotFoundError() | NotADirectoryError() | ConnectionRefusedError():
            return NoServerError(
                f"no server runs on {os.path.dirname(path)}", advice="name its runtime directory with -r"
            )
    return ConductorError(f"cannot connect to {path}: {error.strerror or error}")


def ask_server(runtime_dir: str, command: Command | Reload) -> Answer:
    """Give one command; raises as `AdminClient.command` does."""
    with contextlib.closing(AdminClient(runtime_dir)) as client:
        return client.command(command)
