"""Temporary directories: short, private, on this host, and gone at the end."""

from __future__ import annotations

import os
import stat
import tempfile
import uuid
from pathlib import Path

import pytest

from conductor_trio.client.host import temp_directory
from conductor_trio.client.host.cleanup import open_cleanup
from conductor_trio.client.host.temp_directory import choose_parent, open_directory
from conductor_trio.errors import StartError
from conductor_trio.limits.client import ClientLimits
from conductor_trio.limits.constants import MAX_SOCKET_PATH


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


async def test_where_it_cannot_be_made_it_says_so(short_tmp: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(short_tmp / "no"))
    async with open_cleanup(ClientLimits()) as cleanup:
        expected = pytest.raises(StartError, match=r"cannot make a directory in .*/no: No such file")
        with expected, open_directory(cleanup, "app_directory"):
            pass


@pytest.mark.parametrize("parent", ["/" + "x" * 40, "/a b", "/é", "/a:b", "/a\nb", ""])
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
