"""The commands' end of the operator's socket: one question to the running server, and its answer."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Mapping
from typing import Any

from conductor_trio.errors import StartError
from conductor_trio.limits.constants import ADMIN_ANSWER_TIMEOUT, ADMIN_PAUSE, MAX_ADMIN_ANSWER, READ_AWAY_SIZE
from conductor_trio.server.lifecycle.runtime_directory import admin_path
from conductor_trio.strict_json import parse_json


class NoServerError(StartError):
    """No server runs on that runtime directory."""


def ask_server(runtime_dir: str, question: Mapping[str, object]) -> dict[str, Any]:
    """Return the answer of the server that runs on a runtime directory; raises `NoServerError` or `StartError`.

    One that has just handed over is asked no more, but its successor.
    """
    end = time.monotonic() + ADMIN_ANSWER_TIMEOUT
    while True:
        line = _ask(admin_path(runtime_dir), json.dumps(question).encode() + b"\n", end)
        if line:
            break
        if time.monotonic() > end:
            raise StartError(f"the server that runs on {runtime_dir} does not answer")
        time.sleep(ADMIN_PAUSE)
    try:
        answer = parse_json(line)
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        raise StartError(f"the server that runs on {runtime_dir} answers what is not understood")
    return answer


def _ask(path: str, question: bytes, end: float) -> bytes:
    answer = bytearray()
    with socket.socket(socket.AF_UNIX) as sock:
        try:
            sock.settimeout(ADMIN_ANSWER_TIMEOUT)
            sock.connect(path)
            sock.sendall(question)
            while not answer.endswith(b"\n") and len(answer) <= MAX_ADMIN_ANSWER:
                sock.settimeout(max(ADMIN_PAUSE, end - time.monotonic()))
                if not (piece := sock.recv(READ_AWAY_SIZE)):
                    break
                answer += piece
        except (FileNotFoundError, NotADirectoryError, ConnectionRefusedError):
            raise NoServerError(
                f"no server runs on {os.path.dirname(path)}", advice="name its runtime directory with -r"
            ) from None
        except ConnectionError:
            return b""
        except OSError as error:  # TimeoutError among them
            raise StartError(f"cannot ask the server at {path}: {error.strerror or error}") from error
    return bytes(answer)
