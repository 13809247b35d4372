"""What stands in for an interpreter's lack does as what other interpreters have."""

from __future__ import annotations

import fcntl
import os
import select
import socket
import subprocess
import sys

import pytest

from conductor_trio.net import kernel


@pytest.fixture(params=["the interpreter's own", "in its place"])
def _lack(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "in its place":
        for name in ("splice", "pidfd_open"):
            monkeypatch.delattr(os, name, raising=False)


@pytest.mark.usefixtures("_lack")
def test_bytes_move_from_a_socket_to_a_pipe_and_on() -> None:
    one, other = socket.socketpair()
    reading, writing = os.pipe()
    with one, other:
        one.sendall(b"abcdef")
        assert kernel.splice(other.fileno(), writing, 4) == 4
        assert kernel.splice(reading, other.fileno(), 100) == 4
        assert one.recv(100) == b"abcd"
        assert kernel.splice(other.fileno(), writing, 4) == 2
        with pytest.raises(BlockingIOError):
            kernel.splice(other.fileno(), writing, 4)
        one.close()
        assert kernel.splice(other.fileno(), writing, 4) == 0
    os.close(reading)
    os.close(writing)
    with pytest.raises(OSError, match="Bad file descriptor"):
        kernel.splice(reading, writing, 1)


@pytest.mark.usefixtures("_lack")
def test_a_process_s_descriptor_tells_of_its_end() -> None:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    assert process.stdin is not None
    descriptor = kernel.pidfd_open(process.pid)
    try:
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        assert not poll.poll(0)
        assert not os.get_inheritable(descriptor)
        process.stdin.close()
        assert poll.poll(10_000)
    finally:
        os.close(descriptor)
        process.wait()
    with pytest.raises(ProcessLookupError):
        kernel.pidfd_open(process.pid)


@pytest.mark.parametrize(
    ("module", "name"),
    [(socket, "SO_PEERCRED"), (fcntl, "F_SETPIPE_SZ"), (select, "EPOLLRDHUP"), (select, "POLLRDHUP")],
)
def test_a_number_is_the_kernel_s(module: object, name: str) -> None:
    expected = {"SO_PEERCRED": 17, "F_SETPIPE_SZ": 1031, "EPOLLRDHUP": 0x2000, "POLLRDHUP": 0x2000}
    assert getattr(kernel, name) == getattr(module, name, expected[name])


def test_an_option_of_a_socket_is_read_whatever_its_size() -> None:
    one, other = socket.socketpair()
    with one, other:
        credentials = one.getsockopt(socket.SOL_SOCKET, kernel.SO_PEERCRED, 12)
        assert kernel.socket_option(one.fileno(), kernel.SO_PEERCRED, 2000) == credentials
    with pytest.raises(OSError, match="Bad file descriptor"):
        kernel.socket_option(-1, kernel.SO_PEERCRED, 12)
