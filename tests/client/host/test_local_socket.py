"""The local socket: what may be at its path before the application starts."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import trio

from conductor_trio.client.host.local_socket import SocketInUse, prepare_local_socket
from conductor_trio.errors import StartError
from conductor_trio.limits.client import ClientLimits
from tests.doubles.client_command import python

LIMITS = ClientLimits(replace_timeout=10)
IMPATIENT = ClientLimits(replace_timeout=0.3)

LISTEN = """
import os, signal, socket, sys, time
listener = socket.socket(socket.AF_UNIX, {kind})
listener.bind({path!r})
if {kind} != socket.SOCK_DGRAM:
    listener.listen({backlog})
{then}
print("ready", flush=True)
while True:
    signal.pause()
"""


@pytest.fixture
def path(short_tmp: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(short_tmp)
    path = short_tmp / "app.sock"
    yield path
    path.unlink(missing_ok=True)


@contextlib.asynccontextmanager
async def open_listener(
    path: Path | str, *, kind: str = "socket.SOCK_STREAM", backlog: int = 10, then: str = ""
) -> AsyncIterator[trio.Process]:
    """Have another process listen; killed on leaving."""
    script = LISTEN.format(path=str(path), kind=kind, backlog=backlog, then=then)
    process = await trio.lowlevel.open_process(python(script), stdout=subprocess.PIPE, start_new_session=True)
    assert process.stdout is not None
    try:
        assert (await process.stdout.receive_some(100)).startswith(b"ready\n")
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()  # noqa: ASYNC102
        await process.stdout.aclose()


async def prepare(path: Path | str, *, replace: bool = False, limits: ClientLimits = LIMITS) -> None:
    with trio.fail_after(20):
        await prepare_local_socket(str(path), replace=replace, limits=limits)


def leave_stale(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(path))


@pytest.mark.parametrize("replace", [False, True])
async def test_nothing_there_is_fine(path: Path, replace: bool) -> None:
    await prepare(path, replace=replace)
    await prepare("app.sock", replace=replace)


@pytest.mark.parametrize("replace", [False, True])
async def test_a_stale_socket_is_removed(path: Path, replace: bool) -> None:
    leave_stale(path)
    await prepare(path, replace=replace)
    assert not path.exists()


@pytest.mark.parametrize("replace", [False, True])
async def test_what_is_no_socket_is_refused_and_stays(path: Path, replace: bool) -> None:
    path.write_text("dear data")
    with pytest.raises(StartError, match="no socket"):
        await prepare(path, replace=replace)
    assert path.read_text() == "dear data"
    path.unlink()
    path.mkdir()
    with pytest.raises(StartError, match="no socket"):
        await prepare(path, replace=replace)
    path.rmdir()


async def test_a_link_to_nothing_is_refused_and_stays(path: Path) -> None:
    path.symlink_to("nowhere")
    with pytest.raises(StartError, match="symbolic link"):
        await prepare(path)
    assert path.is_symlink()


async def test_a_missing_directory_is_named(path: Path) -> None:
    with pytest.raises(StartError, match="no-such-place of the local socket does not exist"):
        await prepare(path.parent / "no-such-place" / "app.sock")


@pytest.mark.parametrize(
    "bound", ["app.sock", "./app.sock", "../{name}/app.sock", "{parent}/app.sock", "link/app.sock"]
)
async def test_a_live_socket_is_in_use_however_it_was_bound(path: Path, bound: str) -> None:
    (path.parent / "link").symlink_to(path.parent)
    async with open_listener(bound.format(name=path.parent.name, parent=path.parent)) as process:
        for spelling in ("app.sock", path, path.parent / "link" / "app.sock"):
            with pytest.raises(SocketInUse, match=f"process {process.pid}.*-r"):
                await prepare(spelling)
    (path.parent / "link").unlink()


async def test_a_link_to_a_live_socket_is_in_use(path: Path) -> None:
    link = path.parent / "other"
    link.symlink_to(path)
    async with open_listener(path):
        with pytest.raises(SocketInUse):
            await prepare(link)
    link.unlink()


@pytest.mark.parametrize("kind", ["socket.SOCK_DGRAM", "socket.SOCK_SEQPACKET"])
async def test_sockets_of_other_types_are_in_use_too(path: Path, kind: str) -> None:
    async with open_listener(path, kind=kind) as process:
        with pytest.raises(SocketInUse):
            await prepare(path)
        await prepare(path, replace=True)
        assert await process.wait() == -signal.SIGTERM
    assert not path.exists()


async def test_a_full_backlog_is_in_use(path: Path) -> None:
    async with open_listener(path, backlog=0) as process:
        with contextlib.ExitStack() as stack, contextlib.suppress(BlockingIOError):
            while True:
                sock = stack.enter_context(
                    socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
                )
                sock.connect(str(path))
        with contextlib.ExitStack() as stack:
            for _ in range(2):
                sock = stack.enter_context(
                    socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
                )
                with contextlib.suppress(BlockingIOError):
                    sock.connect(str(path))
            with pytest.raises(SocketInUse):
                await prepare(path)
            await prepare(path, replace=True)
        assert await process.wait() == -signal.SIGTERM


@pytest.mark.parametrize("bound", ["app.sock", "{parent}/app.sock"])
async def test_replace_ends_who_listens(path: Path, bound: str) -> None:
    async with open_listener(bound.format(parent=path.parent)) as process:
        await prepare(path, replace=True)
        assert await process.wait() == -signal.SIGTERM
    assert not path.exists()


async def test_replace_finds_the_heirs_of_who_called_listen(path: Path) -> None:
    # The kernel names a process that has ended; its child has the socket.
    then = "if os.fork(): os._exit(0)"
    async with open_listener("app.sock", then=then) as process:
        await process.wait()
        await prepare(path, replace=True)
    assert not path.exists()


async def test_replace_ends_all_who_share_the_socket(path: Path) -> None:
    then = "child = os.fork()"
    async with open_listener("app.sock", then=then) as process:
        await prepare(path, replace=True)
        assert await process.wait() == -signal.SIGTERM
    assert not path.exists()


async def test_replace_leaves_alone_who_once_called_listen_and_has_let_go(path: Path) -> None:
    # As a process to which the id of one that has ended was given anew.
    then = "if os.fork(): listener.close()"
    async with open_listener(path, then=then) as process:
        await prepare(path, replace=True)
        assert process.poll() is None
    assert not path.exists()


async def test_who_does_not_let_go_is_still_in_use(path: Path) -> None:
    async with open_listener(path, then="signal.signal(signal.SIGTERM, signal.SIG_IGN)") as process:
        with pytest.raises(SocketInUse, match="still listens"):
            await prepare(path, replace=True, limits=IMPATIENT)
        assert process.poll() is None


async def test_replace_never_ends_ourselves(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(path))
        sock.listen()
        with pytest.raises(SocketInUse):
            await prepare(path, replace=True, limits=IMPATIENT)
    assert os.getpid()  # still here


@contextlib.contextmanager
def without_privileges() -> Iterator[None]:
    """Be nobody for a moment, where we are root, who may open everything."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


async def test_a_socket_that_we_may_not_open_is_told(path: Path) -> None:
    leave_stale(path)
    path.chmod(0)
    with without_privileges(), pytest.raises(StartError, match="Permission denied"):
        await prepare(path)
    assert path.exists()
