"""Listeners have the mode that was asked for, take nobody's place, and survive a lack of descriptors."""

from __future__ import annotations

import contextlib
import os
import socket
import stat
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import trio
import trio.testing

from conductor_trio.errors import StartError
from conductor_trio.net.listeners import open_tcp_listeners, open_unix_listener, serve_connections


@contextlib.contextmanager
def umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def connect(path: Path) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX)
    sock.connect(str(path))
    return sock


def give_up(shortage: OSError) -> None:
    raise shortage


@pytest.mark.parametrize("mode", [0o660, 0o777])
@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077, 0o777])
def test_the_mode_is_exact_whatever_the_umask(short_tmp: Path, mode: int, mask: int) -> None:
    path = short_tmp / "s"
    with umask(mask), open_unix_listener(str(path), mode):
        assert stat.S_IMODE(path.lstat().st_mode) == mode
        connect(path).close()
    assert not path.exists()


def test_a_stale_socket_is_replaced(short_tmp: Path) -> None:
    path = short_tmp / "s"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    with open_unix_listener(str(path), 0o660):
        connect(path).close()
    assert not path.exists()


def test_a_socket_in_use_is_left_alone(short_tmp: Path) -> None:
    path = short_tmp / "s"
    with open_unix_listener(str(path), 0o660):
        before = path.lstat()
        with pytest.raises(StartError, match="someone listens there"), open_unix_listener(str(path), 0o660):
            pass
        assert os.path.samestat(path.lstat(), before)
        connect(path).close()


def test_a_socket_in_use_with_a_full_backlog_is_left_alone(short_tmp: Path) -> None:
    path = short_tmp / "s"
    with socket.socket(socket.AF_UNIX) as busy:
        busy.bind(str(path))
        busy.listen(0)
        with connect(path):
            with pytest.raises(StartError, match="someone listens there"), open_unix_listener(str(path), 0o660):
                pass
            assert path.is_socket()
    path.unlink()


@pytest.mark.parametrize("what", ["file", "directory", "link", "dangling link", "pipe"])
def test_what_is_no_socket_is_never_deleted(short_tmp: Path, what: str) -> None:
    path, target = short_tmp / "s", short_tmp / "target"
    match what:
        case "file":
            path.write_text("precious")
        case "directory":
            path.mkdir()
        case "link":
            target.write_text("precious")
            path.symlink_to(target)
        case "dangling link":
            path.symlink_to(target)
        case "pipe":
            os.mkfifo(path)
    before = path.lstat()
    with pytest.raises(StartError, match="no socket") as error, open_unix_listener(str(path), 0o660):
        pass
    assert str(path) in str(error.value) and "\n" not in str(error.value)
    assert os.path.samestat(path.lstat(), before)
    if what in ("file", "link"):
        assert path.read_text() == "precious"


def test_a_link_to_a_dead_socket_is_no_socket_of_ours(short_tmp: Path) -> None:
    path, target = short_tmp / "s", short_tmp / "target"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(target))
    path.symlink_to(target)
    with pytest.raises(StartError, match="no socket"), open_unix_listener(str(path), 0o660):
        pass
    assert path.is_symlink() and target.is_socket()
    target.unlink()


@pytest.mark.parametrize("path", ["", "/nowhere/s", "/dev/null/s", "/tmp/" + "s" * 103])
def test_a_path_that_cannot_be_is_one_line(path: str) -> None:
    with pytest.raises(StartError) as error, open_unix_listener(path, 0o660):
        pass
    assert "cannot listen on" in str(error.value) and "\n" not in str(error.value)


def test_the_longest_path_works(short_tmp: Path) -> None:
    path = short_tmp / ("s" * (107 - len(os.fspath(short_tmp)) - 1))
    with open_unix_listener(str(path), 0o660):
        connect(path).close()


@pytest.mark.parametrize("what", ["nothing", "another socket", "a file"])
def test_only_its_own_socket_is_unlinked(short_tmp: Path, what: str) -> None:
    path = short_tmp / "s"
    with contextlib.ExitStack() as stack:
        with open_unix_listener(str(path), 0o660):
            path.rename(short_tmp / "moved")  # so that its inode cannot be given to the next
            if what == "another socket":
                stack.enter_context(socket.socket(socket.AF_UNIX)).bind(str(path))
            elif what == "a file":
                path.write_text("precious")
        assert path.exists() == (what != "nothing")
    path.unlink(missing_ok=True)
    (short_tmp / "moved").unlink()


def test_it_is_unlinked_whatever_ends_the_block(short_tmp: Path) -> None:
    path = short_tmp / "s"
    with pytest.raises(KeyboardInterrupt), open_unix_listener(str(path), 0o660):
        raise KeyboardInterrupt
    assert not path.exists()


def test_tcp_listens_where_it_says() -> None:
    with open_tcp_listeners("127.0.0.1", 0) as (listener,):
        address = listener.sock.getsockname()
        assert address[0] == "127.0.0.1"
        socket.create_connection(address).close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address)


def test_tcp_listens_on_every_address_of_a_name() -> None:
    with open_tcp_listeners("localhost", 0) as listeners:
        assert "127.0.0.1" in {listener.sock.getsockname()[0] for listener in listeners}


def test_a_port_whose_former_connections_linger_can_be_had_again() -> None:
    with open_tcp_listeners("127.0.0.1", 0) as (listener,):
        address = listener.sock.getsockname()
        with socket.create_connection(address), listener.sock.accept()[0] as ours:
            ours.shutdown(socket.SHUT_WR)  # we end first, so the time to wait is ours
    with open_tcp_listeners("127.0.0.1", address[1]):
        pass


def test_a_port_in_use_is_one_line_and_leaves_nothing() -> None:
    with open_tcp_listeners("127.0.0.1", 0) as (listener,):
        port = listener.sock.getsockname()[1]
        with pytest.raises(StartError) as error, open_tcp_listeners("127.0.0.1", port):
            pass
        assert str(error.value) == f"cannot listen on 127.0.0.1 port {port}: Address already in use"


@pytest.mark.parametrize(
    ("host", "port"),
    [("127.0.0.1", -1), ("192.0.2.1", 0), ("no.such.host.invalid", 0), ("a" * 64 + ".x", 0), ("\ud800", 0)],
)
def test_an_address_that_cannot_be_is_one_line(host: str, port: int) -> None:
    with pytest.raises(StartError) as error, open_tcp_listeners(host, port):
        pass
    assert "cannot listen on" in str(error.value) and "\n" not in str(error.value)


async def test_each_connection_gets_its_handler(short_tmp: Path) -> None:
    path = short_tmp / "s"
    handled: list[bytes] = []
    all_handled = trio.Event()

    async def handle(sock: socket.socket, _: str) -> None:
        with sock:
            sock.setblocking(False)
            await trio.lowlevel.wait_readable(sock)
            handled.append(sock.recv(10))
        if len(handled) == 200:
            all_handled.set()

    with open_unix_listener(str(path), 0o660) as listener, contextlib.ExitStack() as stack:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(partial(serve_connections, listener, handle, nursery, on_shortage=give_up))
            for number in range(200):  # in one go: many wait when it is first looked
                stack.enter_context(connect(path)).sendall(b"%d" % number)
            await all_handled.wait()
            nursery.cancel_scope.cancel()
    assert sorted(map(int, handled)) == list(range(200))


async def test_a_pace_is_kept_before_more_are_taken(short_tmp: Path) -> None:
    path = short_tmp / "s"
    may_go_on = trio.Event()
    handled = trio.Event()

    async def handle(sock: socket.socket, _: str) -> None:
        sock.close()
        handled.set()

    with open_unix_listener(str(path), 0o660) as listener, connect(path):
        async with trio.open_nursery() as nursery:
            serve = partial(serve_connections, on_shortage=give_up, pace=may_go_on.wait)
            nursery.start_soon(serve, listener, handle, nursery)
            await trio.testing.wait_all_tasks_blocked(0.05)
            assert not handled.is_set()
            may_go_on.set()
            await handled.wait()
            nursery.cancel_scope.cancel()


async def test_a_pace_that_has_changed_while_nobody_came_counts(short_tmp: Path) -> None:
    path = short_tmp / "s"
    gate, waiting = trio.Event(), trio.Event()
    gate.set()

    async def pace() -> None:
        if not gate.is_set():
            waiting.set()
        await gate.wait()

    async def handle(sock: socket.socket, _: str) -> None:
        raise AssertionError("it is too many")

    with open_unix_listener(str(path), 0o660) as listener:
        async with trio.open_nursery() as nursery:
            serve = partial(serve_connections, on_shortage=give_up, pace=pace)
            nursery.start_soon(serve, listener, handle, nursery)
            await trio.testing.wait_all_tasks_blocked()
            gate = trio.Event()
            with connect(path):
                await waiting.wait()
                await trio.testing.wait_all_tasks_blocked()
                nursery.cancel_scope.cancel()


async def test_an_accepted_tcp_connection_sends_at_once_and_notices_a_peer_that_vanishes() -> None:
    options: trio.MemorySendChannel[tuple[int, int, int]]
    options, found = trio.open_memory_channel(1)

    async def handle(sock: socket.socket, _: str) -> None:
        with sock:
            await options.send(
                (
                    sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY),
                    sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE),
                    sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE),
                )
            )

    with open_tcp_listeners("127.0.0.1", 0) as [listener]:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(partial(serve_connections, listener.sock, handle, nursery, on_shortage=give_up))
            with socket.create_connection(listener.sock.getsockname()):
                assert await found.receive() == (1, 1, 60)
            nursery.cancel_scope.cancel()


async def test_a_flood_of_connections_is_taken_in_portions(short_tmp: Path) -> None:
    path = short_tmp / "s"
    handled = 0
    most_at_once = 0

    async def handle(sock: socket.socket, _: str) -> None:
        nonlocal handled
        sock.close()
        handled += 1
        await trio.lowlevel.checkpoint()

    with open_unix_listener(str(path), 0o660) as listener, contextlib.ExitStack() as stack:
        for _ in range(300):
            stack.enter_context(connect(path))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(partial(serve_connections, listener, handle, nursery, on_shortage=give_up))
            while handled < 300:
                await trio.lowlevel.checkpoint()
                most_at_once = max(most_at_once, len(nursery.child_tasks))
            nursery.cancel_scope.cancel()
    assert most_at_once < 200  # other tasks have their turn in between


async def test_a_cancelled_accept_loop_ends(short_tmp: Path) -> None:
    async def handle(sock: socket.socket, _: str) -> None:
        sock.close()

    with open_unix_listener(str(short_tmp / "s"), 0o660) as listener:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(partial(serve_connections, listener, handle, nursery, on_shortage=give_up))
            await trio.testing.wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()


EXHAUSTION = """
    import os, resource, socket, sys
    from functools import partial
    import trio
    from conductor_trio.net.listeners import open_unix_listener, serve_connections

    path = sys.argv[1]
    shortages = []
    held = []
    short, served = trio.Event(), trio.Event()

    async def handle(sock, _):
        with sock:
            held.append(sock.fileno())
            await (short.wait() if len(held) < 6 else trio.lowlevel.checkpoint())
        if len(held) == 6:
            served.set()

    def on_shortage(error):
        shortages.append(error.errno)
        short.set()

    async def main():
        with open_unix_listener(path, 0o660) as listener:
            clients = [socket.socket(socket.AF_UNIX) for _ in range(6)]
            for client in clients:
                client.connect(path)
            # Room for five connections more than there are descriptors now.
            highest = os.dup(0)
            os.close(highest)
            resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 5, highest + 5))
            async with trio.open_nursery() as nursery:
                nursery.start_soon(partial(serve_connections, listener, handle, nursery, on_shortage=on_shortage))
                with trio.fail_after(20):
                    await served.wait()
                nursery.cancel_scope.cancel()
            for client in clients:
                client.close()

    trio.run(main)
    print(len(held), sorted(set(shortages)))
"""


def test_a_lack_of_descriptors_is_waited_out(short_tmp: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(EXHAUSTION), str(short_tmp / "s")],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stderr == ""
    assert done.stdout == "6 [24]\n"  # EMFILE


@pytest.mark.parametrize("family", ["tcp", "unix"])
async def test_the_task_of_a_connection_says_whose_it_is(short_tmp: Path, family: str) -> None:
    names: list[str] = []
    named = trio.Event()

    async def handle(sock: socket.socket, _: str) -> None:
        sock.close()
        names.append(trio.lowlevel.current_task().name)
        named.set()

    with contextlib.ExitStack() as stack:
        if family == "tcp":
            listener = stack.enter_context(open_tcp_listeners("127.0.0.1", 0))[0].sock
            peer = stack.enter_context(socket.create_connection(listener.getsockname()))
        else:
            listener = stack.enter_context(open_unix_listener(str(short_tmp / "s"), 0o660))
            peer = stack.enter_context(connect(short_tmp / "s"))
        serve = partial(serve_connections, on_shortage=give_up, task_name="visitor")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(serve, listener, handle, nursery)
            await named.wait()
            nursery.cancel_scope.cancel()
        assert peer.fileno() >= 0
    assert names == ["visitor 127.0.0.1" if family == "tcp" else "visitor"]
