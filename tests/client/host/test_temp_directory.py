"""Temporary directories: short, private, on this host, and gone at the end."""

from __future__ import annotations

import contextlib
import fcntl
import os
import resource
import shutil
import socket
import stat
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from conductor_trio.client.host import temp_directory
from conductor_trio.client.host.cleanup import open_cleanup
from conductor_trio.client.host.temp_directory import HeldDirectory, choose_parent, open_directory
from conductor_trio.errors import StartError
from conductor_trio.limits.client import ClientLimits
from conductor_trio.limits.constants import MAX_SOCKET_PATH
from tests.support.descriptors import no_descriptor_left
from tests.support.needs import require_root


async def test_it_is_private_and_gone_with_all_that_is_in_it(
    short_tmp: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(short_tmp))
    async with open_cleanup(ClientLimits()) as cleanup:
        with open_directory(cleanup, "app_directory") as directory:
            path = directory.path
            assert Path(path).parent == short_tmp
            assert stat.S_IMODE(os.stat(path).st_mode) == 0o700
            os.makedirs(f"{path}/a/b")
        assert not Path(path).exists()


@pytest.mark.parametrize(("mode", "is_avoided"), [(0o700, False), (0o1777, False), (0o777, True)])
async def test_places_where_others_could_put_another_in_its_place_are_avoided(
    short_tmp: Path, mode: int, is_avoided: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    short_tmp.chmod(mode)
    monkeypatch.setattr(tempfile, "tempdir", str(short_tmp))
    async with open_cleanup(ClientLimits()) as cleanup:
        with open_directory(cleanup, "app_directory") as directory:
            assert Path(directory.path).parent == (Path("/tmp") if is_avoided else short_tmp)
            assert stat.S_IMODE(os.stat(directory.path).st_mode) == 0o700
    assert list(short_tmp.iterdir()) == []


async def test_where_there_are_no_others_such_a_place_is_taken(
    short_tmp: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    short_tmp.chmod(0o777)
    monkeypatch.setattr(tempfile, "tempdir", str(short_tmp / "no"))
    monkeypatch.setattr(temp_directory, "_FALLBACK", str(short_tmp))
    monkeypatch.setattr(temp_directory, "_LAST_RESORTS", (str(short_tmp / "nor"),))
    async with open_cleanup(ClientLimits()) as cleanup:
        with open_directory(cleanup, "app_directory") as directory:
            assert Path(directory.path).parent == short_tmp
    assert list(short_tmp.iterdir()) == []


async def test_where_it_cannot_be_made_another_place_is_taken(
    short_tmp: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(short_tmp / "no"))  # as a $TMPDIR that went with its job
    async with open_cleanup(ClientLimits()) as cleanup:
        with open_directory(cleanup, "app_directory") as directory:
            assert Path(directory.path).parent == Path("/tmp")
        assert not Path(directory.path).exists()


async def test_where_none_can_be_made_it_says_so(short_tmp: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(short_tmp / "no"))
    monkeypatch.setattr(temp_directory, "_FALLBACK", str(short_tmp / "nor"))
    monkeypatch.setattr(temp_directory, "_LAST_RESORTS", ())
    async with open_cleanup(ClientLimits()) as cleanup:
        expected = pytest.raises(StartError, match=r"cannot make a directory in .*/no: No such file")
        with expected, open_directory(cleanup, "app_directory"):
            pass


async def test_without_descriptors_the_cleanup_process_removes_it(
    short_tmp: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(short_tmp))
    async with open_cleanup(ClientLimits()) as cleanup:
        with contextlib.ExitStack() as stack:
            soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
            stack.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
            directory = stack.enter_context(open_directory(cleanup, "app_directory"))
            os.makedirs(f"{directory.path}/a/b")
            resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    assert os.listdir(short_tmp) == []


@pytest.fixture
def held(short_tmp: Path) -> Iterator[HeldDirectory]:
    (short_tmp / "d").mkdir(mode=0o700)
    with contextlib.closing(HeldDirectory(str(short_tmp / "d"))) as held:
        yield held


def is_locked(path: str) -> bool:
    """Whether systemd-tmpfiles would pass over a directory."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def test_it_is_made_again_and_locked_again(held: HeldDirectory) -> None:
    for _ in range(2):
        assert is_locked(held.path)
        assert not held.keep()
        os.rmdir(held.path)
        assert held.keep()
        assert stat.S_IMODE(os.stat(held.path).st_mode) == 0o700
    os.rename(held.path, f"{held.path}.old")
    os.mkdir(held.path, 0o700)
    assert not held.keep()  # another one of ours does as well
    assert is_locked(held.path) and not is_locked(f"{held.path}.old")


@pytest.mark.parametrize("made", ["open", "a file", "a link", "somebody else's"])
def test_what_somebody_else_may_have_made_is_not_taken(held: HeldDirectory, made: str, short_tmp: Path) -> None:
    os.rmdir(held.path)
    match made:
        case "open":
            os.mkdir(held.path)
            os.chmod(held.path, 0o755)
        case "a file":
            Path(held.path).touch(mode=0o600)
        case "a link":
            (short_tmp / "private").mkdir(mode=0o700)
            os.symlink(short_tmp / "private", held.path)
        case _:
            require_root()
            os.mkdir(held.path, 0o700)
            os.chown(held.path, 65534, -1)
    with pytest.raises(StartError, match="somebody else's now"):
        held.keep()


def test_where_it_cannot_be_made_again(held: HeldDirectory) -> None:
    shutil.rmtree(os.path.dirname(held.path))
    with pytest.raises(FileNotFoundError):
        held.keep()
    os.mkdir(os.path.dirname(held.path))


def test_without_descriptors_it_is_kept_all_the_same(held: HeldDirectory) -> None:
    with no_descriptor_left():
        assert not held.keep()
        os.rmdir(held.path)
        assert held.keep()
    os.rmdir(held.path)
    assert held.keep()
    assert is_locked(held.path)


def test_all_that_is_in_it_looks_used_and_files_keep_when_they_were_written(held: HeldDirectory) -> None:
    deep = Path(held.path, "deep")
    deep.mkdir()
    (deep / "file").write_text("x")
    (deep / "link").symlink_to("nowhere")
    os.mkfifo(deep / "fifo")
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(deep / "socket"))
    paths = [Path(held.path), deep, *deep.iterdir()]
    for path in paths:
        os.utime(path, (0, 0), follow_symlinks=False)
    held.touch()
    for path in paths:
        assert path.lstat().st_atime > 1e9
        assert (path.lstat().st_mtime > 1e9) is (path.name != "file")
    (deep / "socket").unlink()


@pytest.mark.parametrize("parent", ["/" + "x" * 40, "/a b", "/é", "/a:b", "/a\nb", "", "."])
def test_odd_and_long_places_are_avoided(parent: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", parent)
    assert choose_parent() == "/tmp"


@pytest.mark.parametrize(("length", "fits"), [(24, True), (25, False)])
def test_the_sockets_of_jupyters_kernels_fit(length: int, fits: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    parent = "/" + "x" * (length - 1)
    monkeypatch.setattr(tempfile, "tempdir", parent)
    assert choose_parent() == (parent if fits else "/tmp")
    kernel = f"{parent}/conductor-trio-12345678/socket.j/kernel-{uuid.UUID(int=0)}-ipc-1"
    assert (len(kernel) <= MAX_SOCKET_PATH) is fits


@pytest.mark.parametrize(
    ("kind", "is_avoided"),
    [("nfs4", True), ("lustre", True), ("fuse.sshfs", True), ("tmpfs", False), ("ext4", False), ("", False)],
)
def test_places_on_other_hosts_are_avoided(
    kind: str, is_avoided: bool, short_tmp: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(short_tmp))
    monkeypatch.setattr(temp_directory, "file_system", lambda path: kind)
    assert (choose_parent() == "/tmp") is is_avoided
