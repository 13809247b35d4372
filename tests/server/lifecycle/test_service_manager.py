"""The service manager is told what it wants to know, and that it does not listen is no reason to fail."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from conductor_trio.server.lifecycle.service_manager import notify


@pytest.mark.parametrize("is_abstract", [False, True])
def test_assignments_come_in_one_datagram(
    is_abstract: bool, short_tmp: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = str(short_tmp / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind("\0" + path if is_abstract else path)
        manager.setblocking(False)
        monkeypatch.setenv("NOTIFY_SOCKET", "@" + path if is_abstract else path)
        notify("READY=1", "MAINPID=17")
        assert manager.recv(1000) == b"READY=1\nMAINPID=17"
        with pytest.raises(BlockingIOError):
            manager.recv(1000)
    Path(path).unlink(missing_ok=True)


@pytest.mark.parametrize("address", [None, "", "/no/where", "@conductor-trio-tests-nobody", "x" * 200])
def test_nobody_listens(address: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    if address is None:
        monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    else:
        monkeypatch.setenv("NOTIFY_SOCKET", address)
    notify("READY=1")


def test_a_manager_that_reads_nothing_is_not_waited_for(short_tmp: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = short_tmp / "notify"
    monkeypatch.setenv("NOTIFY_SOCKET", str(path))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(path))
        for _ in range(10_000):
            notify("STATUS=" + "x" * 1000)
    path.unlink()
