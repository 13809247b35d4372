"""The commands' end of the operator's socket, before servers that are none, or odd."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from conductor_trio.errors import StartError
from conductor_trio.server.cli.operator_socket import NoServerError, ask_server


@contextlib.contextmanager
def answering(path: Path, answers: Sequence[bytes]) -> Iterator[list[bytes]]:
    """Give each connection one of these answers, and collect the questions."""
    questions = []
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()

        def serve() -> None:
            for answer in answers:
                sock, _ = listener.accept()
                with sock:
                    questions.append(sock.recv(4096))
                    sock.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield questions
        thread.join()
    path.unlink()


def test_an_answer_is_returned_and_one_that_hands_over_is_asked_no_more(short_tmp: Path) -> None:
    with answering(short_tmp / "admin", [b"", b'{"status": "ok"}\n']) as questions:
        assert ask_server(str(short_tmp), {"command": "x"}) == {"status": "ok"}
    assert questions == [b'{"command": "x"}\n'] * 2


@pytest.mark.parametrize("answer", [b"{\n", b"[]\n", b"\xff\n", b'{"status": "ok"'])
def test_what_is_no_answer_is_told(short_tmp: Path, answer: bytes) -> None:
    with answering(short_tmp / "admin", [answer]), pytest.raises(StartError, match="not understood"):
        ask_server(str(short_tmp), {})


def test_where_no_server_runs_that_is_told(short_tmp: Path) -> None:
    for path in (short_tmp, short_tmp / "none", short_tmp / "file" / "x"):
        (short_tmp / "file").touch()
        with pytest.raises(NoServerError, match=f"no server runs on {path}; name its runtime directory with -r"):
            ask_server(str(path), {})
    (short_tmp / "admin").touch()
    with pytest.raises(StartError, match="no server runs"):
        ask_server(str(short_tmp), {})
