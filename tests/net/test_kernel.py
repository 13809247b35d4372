"""What stands in for an interpreter's lack does as what other interpreters have."""

from __future__ import annotations

import fcntl
import os
import select
import signal
import socket
import subprocess
import sys

import pytest

from conductor_trio.net import kernel

#: Those of the kernel's headers, for interpreters without them.
NUMBERS = {
    "SO_PEERCRED": 17,
    "MSG_CMSG_CLOEXEC": 0x40000000,
    "F_DUPFD_CLOEXEC": 1030,
    "F_SETPIPE_SZ": 1031,
    "EPOLLRDHUP": 0x2000,
    "POLLRDHUP": 0x2000,
}


@pytest.fixture(params=["the interpreter's own", "in its place"])
def _lack(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "in its place":
        for module, name in ((os, "splice"), (os, "pidfd_open"), (signal, "pidfd_send_signal")):
            monkeypatch.delattr(module, name, raising=False)


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


@pytest.mark.usefixtures("_lack")
def test_a_signal_reaches_the_process_of_a_descriptor() -> None:
    process = subprocess.Popen(["sleep", "1000"])
    descriptor = kernel.pidfd_open(process.pid)
    try:
        kernel.pidfd_send_signal(descriptor, signal.SIGTERM)
        assert process.wait(10) == -signal.SIGTERM
        with pytest.raises(ProcessLookupError):
            kernel.pidfd_send_signal(descriptor, signal.SIGTERM)
    finally:
        os.close(descriptor)


def test_a_socket_stays_non_blocking_for_whom_it_is_shared_with() -> None:
    with socket.create_server(("127.0.0.1", 0)) as ours:
        ours.setblocking(False)
        with kernel.open_shared_socket(os.dup(ours.fileno())) as theirs:
            assert theirs.getsockname() == ours.getsockname()
            assert not theirs.getblocking()
            with pytest.raises(BlockingIOError):
                ours.accept()
    with socket.socket() as other:
        assert other.gettimeout() is None


def test_a_large_piece_is_sent_as_a_small_one_is() -> None:
    one, other = socket.socketpair()
    memory = memoryview(bytearray(range(256)) * 1024)
    with one, other:
        one.setblocking(False)
        sent = 0
        with pytest.raises(BlockingIOError):
            while True:
                sent += kernel.send(one, memory[sent % 256 :])
        received = b""
        while len(received) < sent:
            received += other.recv(sent)
        whole = bytes(range(256)) * (sent // 256 + 1)
        assert received == whole[:sent]
        other.close()
        with pytest.raises(BrokenPipeError):
            kernel.send(one, memory)


@pytest.mark.parametrize(
    ("module", "name"),
    [
        (socket, "SO_PEERCRED"),
        (socket, "MSG_CMSG_CLOEXEC"),
        (fcntl, "F_DUPFD_CLOEXEC"),
        (fcntl, "F_SETPIPE_SZ"),
        (select, "EPOLLRDHUP"),
        (select, "POLLRDHUP"),
    ],
)
def test_a_number_is_the_kernel_s(module: object, name: str) -> None:
    assert getattr(kernel, name) == getattr(module, name, NUMBERS[name])


def test_an_option_of_a_socket_is_read_whatever_its_size() -> None:
    one, other = socket.socketpair()
    with one, other:
        credentials = one.getsockopt(socket.SOL_SOCKET, kernel.SO_PEERCRED, 12)
        assert kernel.socket_option(one.fileno(), kernel.SO_PEERCRED, 2000) == credentials
    with pytest.raises(OSError, match="Bad file descriptor"):
        kernel.socket_option(-1, kernel.SO_PEERCRED, 12)
