"""What is read from /proc is what we know of ourselves."""

from __future__ import annotations

import os
import select
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from conductor_trio.net import procfs
from conductor_trio.net.kernel import pidfd_open


def test_file_systems_are_told_apart() -> None:
    assert procfs.file_system("/proc") == "proc"
    assert procfs.file_system("/dev/shm") == "tmpfs"
    assert procfs.file_system("/no/such/place") == ""


def test_we_are_among_the_processes_and_run() -> None:
    assert os.getpid() in procfs.process_ids()
    assert (os.getpgrp(), "R") in procfs.group_states()


def test_who_has_ended_and_is_not_waited_for_is_dead() -> None:
    child = subprocess.Popen(["true"], start_new_session=True)
    descriptor = pidfd_open(child.pid)
    try:
        assert select.select([descriptor], [], [], 10)[0]  # it has ended
    finally:
        os.close(descriptor)
    assert (child.pid, "Z") in procfs.group_states()
    child.wait()
    assert child.pid not in {group for group, _ in procfs.group_states()}


def test_the_holder_of_a_unix_socket_is_found_however_the_path_is_spelt(
    short_tmp: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(short_tmp)
    (short_tmp / "link").symlink_to(short_tmp)
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind("s")
        for path in ("s", f"{short_tmp}/s", f"{short_tmp}/link/s"):
            assert list(procfs.unix_socket_holders(path)) == [os.getpid()]
        assert list(procfs.unix_socket_holders("/elsewhere/s")) == []
        os.unlink("s")


@pytest.mark.parametrize(
    ("family", "host"), [(socket.AF_INET, "127.0.0.3"), (socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::1")]
)
def test_a_tcp_listener_is_seen_with_its_owner(family: socket.AddressFamily, host: str) -> None:
    with socket.create_server((host, 0), family=family) as sock:
        port = sock.getsockname()[1]
        expected = procfs.TcpListener(family=family, host=host, port=port, uid=os.geteuid())
        assert expected in procfs.tcp_listeners()
        with socket.create_connection((host, port)) as connected:  # which is no listener
            ours = connected.getsockname()[1]
            assert ours not in {listener.port for listener in procfs.tcp_listeners()}
    assert port not in {listener.port for listener in procfs.tcp_listeners()}


def test_it_does_without_trio() -> None:
    code = "import sys, conductor_trio.net.procfs; sys.exit('trio' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_processes_of_a_session_are_found_with_their_names_and_what_they_were_told() -> None:
    child = subprocess.Popen(
        ["sleep", "1000"], start_new_session=True, env={"PATH": "/usr/bin:/bin", "WHERE": "a b"}
    )
    with child:
        assert list(procfs.session_members(child.pid)) == [child.pid]
        while procfs.process_name(child.pid) != "sleep":  # until it has executed it
            pass
        assert list(procfs.environment_holders("WHERE", "a b")) == [child.pid]
        assert list(procfs.environment_holders("WHERE", "a")) == []
        child.kill()
    assert list(procfs.session_members(child.pid)) == []
    assert procfs.process_name(child.pid) == ""


def test_a_process_holds_those_listeners_that_it_has_opened() -> None:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        assert sock.getsockname()[1] in {listener.port for listener in procfs.held_tcp_listeners(os.getpid())}
    assert list(procfs.held_tcp_listeners(2**22)) == []


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_the_peer_of_a_process_with_one_connection_is_found(family: socket.AddressFamily) -> None:
    host = "127.0.0.1" if family == socket.AF_INET else "::1"
    with socket.create_server((host, 0), family=family) as server:
        code = "import socket, sys; s = socket.create_connection((sys.argv[1], sys.argv[2])); print(); input()"
        child = subprocess.Popen(
            [sys.executable, "-c", code, host, str(server.getsockname()[1])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        with child, server.accept()[0]:
            assert child.stdout is not None and child.stdin is not None
            child.stdout.readline()
            assert procfs.find_tcp_peer(child.pid) == host
            child.stdin.close()


def test_the_peer_of_one_without_a_connection_is_not_guessed() -> None:
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as child:
        assert child.stdin is not None
        assert procfs.find_tcp_peer(child.pid) is None
        child.stdin.close()
    assert procfs.find_tcp_peer(child.pid) is None
