"""A directory's access list: whom it lets in, and that nothing of it stays."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from conductor_trio.server.sessions.access_list import forget_list, has_lists, let_in_only
from tests.support.needs import missing
from tests.support.users import ALICE, BOB, Person, acting_as, real_person


@pytest.fixture
def directory(short_tmp: Path) -> Path:
    if not has_lists(str(short_tmp)):
        missing(f"needs access lists on the file system of {short_tmp}")
    path = short_tmp / "directory"
    path.mkdir()
    path.chmod(0o3777)
    return path


def may_add(person: Person, directory: Path) -> bool:
    with acting_as(person):
        try:
            (directory / person.name).touch()
        except PermissionError:
            return False
    return True


def test_one_user_is_let_in_and_nobody_else(directory: Path) -> None:
    alice, bob = real_person(ALICE), real_person(BOB)
    let_in_only(str(directory), alice.uid)
    assert stat.S_IMODE(directory.stat().st_mode) == 0o3770
    assert may_add(alice, directory)
    assert not may_add(bob, directory)
    with acting_as(bob), pytest.raises(PermissionError):
        os.open(directory, os.O_RDONLY)


def test_nothing_of_it_stays(directory: Path) -> None:
    alice = real_person(ALICE)
    let_in_only(str(directory), alice.uid)
    forget_list(str(directory))
    directory.chmod(0o770)
    assert not may_add(alice, directory)
    assert os.listxattr(directory) == []
    forget_list(str(directory))  # once more does no harm


def test_where_there_are_no_lists_is_told() -> None:
    assert not has_lists("/proc")
    with pytest.raises(OSError):
        let_in_only("/proc", 1)
