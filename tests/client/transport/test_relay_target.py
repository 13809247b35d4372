"""Where the relay's connections go while the application does not listen yet, and afterwards."""

from __future__ import annotations

import contextlib
import os
import socket
from pathlib import Path

import pytest

from conductor_trio.client.transport.relay_target import RelayTarget


def connect(path: Path) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX)
    try:
        sock.connect(str(path))
    except OSError:
        sock.close()
        raise
    return sock


def test_there_is_always_someone_who_takes_a_connection(short_tmp: Path) -> None:
    link, application = short_tmp / "a", short_tmp / "app.sock"
    link.symlink_to(application)
    with contextlib.closing(RelayTarget(str(link))) as target:
        with pytest.raises(FileNotFoundError):
            connect(link)
        for _ in range(2):
            target.stand_in()
            with connect(link):
                pass
        target.lead_on()
        with pytest.raises(FileNotFoundError):
            connect(link)
        target.stand_in()
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(application))
            listener.listen()
            target.stand_in()  # where it is there now, it is led to
            with connect(link), listener.accept()[0]:
                pass
        application.unlink()
    assert os.listdir(short_tmp) == ["a"]


def test_what_waits_at_the_stand_in_ends_with_it(short_tmp: Path) -> None:
    link = short_tmp / "a"
    link.symlink_to(short_tmp / "app.sock")
    with contextlib.closing(RelayTarget(str(link))) as target:
        target.stand_in()
        with connect(link) as waiting:
            target.lead_on()
            with contextlib.suppress(ConnectionResetError):
                assert waiting.recv(1) == b""
