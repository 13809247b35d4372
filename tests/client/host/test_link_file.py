"""The link file: private, whole, there as long as its client, and nobody else's file is written to or removed."""

from __future__ import annotations

import os
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from conductor_trio.client.host.cleanup import Cleanup, open_cleanup
from conductor_trio.client.host.link_file import LinkFile, open_link_file
from conductor_trio.errors import StartError
from conductor_trio.limits.client import ClientLimits

LINK = "https://lab-alice.example.org/_conductor/auth/s3cret"


@pytest.fixture
async def cleanup() -> AsyncIterator[Cleanup]:
    async with open_cleanup(ClientLimits()) as cleanup:
        yield cleanup


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "job.link"


async def test_it_holds_the_link_for_its_owner_only_and_is_gone_at_the_end(cleanup: Cleanup, path: Path) -> None:
    former = os.umask(0)
    try:
        with open_link_file(str(path), cleanup) as file:
            assert file is not None
            assert not path.exists()
            assert file.write(LINK) is None
            assert path.read_text() == f"{LINK}\n"
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
    finally:
        os.umask(former)
    assert os.listdir(path.parent) == []


async def test_a_former_clients_link_is_gone_before_there_is_a_new_one(cleanup: Cleanup, path: Path) -> None:
    path.write_text(f"{LINK}\n")
    with open_link_file(str(path), cleanup):
        assert not path.exists()


@pytest.mark.parametrize("text", ["my thesis\n", f"{LINK}\nand notes\n", "x" * 100_000])
async def test_a_file_that_holds_something_else_is_not_touched(cleanup: Cleanup, path: Path, text: str) -> None:
    path.write_text(text)
    with pytest.raises(StartError, match="something else than a link"), open_link_file(str(path), cleanup):
        pass
    assert path.read_text() == text


@pytest.mark.parametrize("when", ["before", "meanwhile"])
async def test_no_symbolic_link_is_followed(cleanup: Cleanup, path: Path, when: str) -> None:
    (others := path.with_name("others")).write_text("theirs")
    if when == "before":
        path.symlink_to(others)
    with open_link_file(str(path), cleanup) as file:
        assert file is not None
        if when == "meanwhile":
            path.symlink_to(others)
        file.write(LINK)
        assert not path.is_symlink()
        assert path.read_text() == f"{LINK}\n"
    assert others.read_text() == "theirs"
    assert not path.exists()


async def test_another_clients_file_stays(cleanup: Cleanup, path: Path) -> None:
    first, second = LinkFile(str(path), cleanup), LinkFile(str(path), cleanup)
    first.write(LINK)
    second.write(LINK + "2")
    first.remove()
    assert path.read_text() == f"{LINK}2\n"
    second.remove()
    assert not path.exists()


async def test_what_was_taken_away_is_there_again_with_the_next_report(cleanup: Cleanup, path: Path) -> None:
    with open_link_file(str(path), cleanup) as file:
        assert file is not None
        file.write(LINK)
        path.unlink()
        file.write(LINK)
        assert path.exists()


@pytest.mark.parametrize("where", ["no/such/directory", "."])
async def test_where_no_file_can_be_the_client_does_not_start(
    cleanup: Cleanup, tmp_path: Path, where: str
) -> None:
    with pytest.raises(StartError, match="--link-file"), open_link_file(str(tmp_path / where), cleanup):
        pass


async def test_a_full_disk_is_told_and_is_not_the_end(cleanup: Cleanup, path: Path) -> None:
    (directory := path.parent / "d").mkdir()
    file = LinkFile(str(directory / "link"), cleanup)
    directory.rmdir()
    trouble = file.write(LINK)
    assert trouble is not None
    assert "cannot be written: No such file" in trouble
    assert "s3cret" not in trouble
