"""A socket that is held: reached with its name and without, and by no name that somebody else has."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio

from conductor_trio.client.host.held_socket import HeldSocket
from conductor_trio.errors import UpstreamUnavailable
from tests.support.descriptors import no_descriptor_left
from tests.support.needs import require_root


@pytest.fixture
def held(short_tmp: Path) -> Iterator[HeldSocket]:
    with contextlib.closing(HeldSocket(str(short_tmp / "socket"))) as held:
        yield held


@contextlib.contextmanager
def listening(path: str | Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(path))
        sock.listen()
        sock.settimeout(10)
        yield sock
    Path(path).unlink(missing_ok=True)


async def leads_to(held: HeldSocket, listener: socket.socket) -> bool:
    """Whether a connection comes out at a listener."""
    (await held.connect(0)).close()
    connection, _ = listener.accept()
    connection.close()
    return True


async def test_nothing_is_there(held: HeldSocket) -> None:
    assert not held.hold()
    with pytest.raises(UpstreamUnavailable, match="No such file"):
        await held.connect(0)


async def test_it_is_reached_without_its_name(held: HeldSocket) -> None:
    with listening(held.path) as listener:
        assert held.hold()
        os.unlink(held.path)
        assert not held.hold()
        assert await leads_to(held, listener)
    with pytest.raises(UpstreamUnavailable, match="refused"):
        await held.connect(0)


async def test_it_is_followed_to_another_socket_of_that_name(held: HeldSocket) -> None:
    with listening(held.path):
        held.hold()
        os.unlink(held.path)
    with listening(held.path) as other:
        assert await leads_to(held, other)
        os.unlink(held.path)
        assert await leads_to(held, other)


@pytest.mark.parametrize("what", ["a file", "a directory", "somebody else's socket"])
async def test_what_else_has_the_name_is_not_it(held: HeldSocket, what: str) -> None:
    with listening(held.path) as listener, contextlib.ExitStack() as stack:
        held.hold()
        os.unlink(held.path)
        match what:
            case "a file":
                Path(held.path).touch()
            case "a directory":
                os.mkdir(held.path)
                stack.callback(os.rmdir, held.path)
            case _:
                require_root()
                stack.enter_context(listening(held.path))
                os.chown(held.path, 65534, -1)
                if os.geteuid() == 0:  # to whom nobody's sockets are as good as root's own are to everybody
                    assert not held.hold()
        assert not held.hold()
        assert await leads_to(held, listener)


async def test_a_path_that_is_relative_or_too_long(short_tmp: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = short_tmp / ("d" * 90)
    deep.mkdir()
    monkeypatch.chdir(deep)
    with (
        listening("a-name-of-20-letters") as listener,
        contextlib.closing(HeldSocket("a-name-of-20-letters")) as held,
    ):
        assert len(held.path) > 107
        assert await leads_to(held, listener)
        monkeypatch.chdir("/")
        assert await leads_to(held, listener)
        monkeypatch.chdir(deep)


async def test_without_a_descriptor_it_is_reached_by_its_name(held: HeldSocket) -> None:
    with listening(held.path) as listener:
        with no_descriptor_left():
            assert held.hold()
            assert held.descriptor is None
        assert await leads_to(held, listener)


def test_from_a_directory_that_is_gone_the_path_is_as_it_was_given(
    short_tmp: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = short_tmp / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert HeldSocket("socket").path == "socket"
    monkeypatch.undo()


@pytest.mark.parametrize("is_removed", [False, True])
async def test_a_child_finds_it(held: HeldSocket, is_removed: bool) -> None:
    with listening(held.path) as listener:
        held.hold()
        if is_removed:
            os.unlink(held.path)
        path, descriptors = held.for_child()
        connect = "import os, socket; socket.socket(1).connect(os.environ['PLACE'])"
        await trio.run_process(
            ["/bin/sh", "-c", f'{sys.executable} -SEc "{connect}"; exit $?'],
            env={"PLACE": path},
            pass_fds=descriptors,
        )
        listener.accept()[0].close()


def test_it_looks_used(held: HeldSocket) -> None:
    with listening(held.path):
        os.utime(held.path, (0, 0))
        held.touch()
        assert os.stat(held.path).st_atime > 1e9
        assert os.stat(held.path).st_mtime > 1e9
    held.touch()  # where nothing is
