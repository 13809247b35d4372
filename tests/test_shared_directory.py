"""Directories by which others could have a path lead elsewhere."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from conductor_trio.shared_directory import find_shared_directory, lets_others_connect
from tests.support.users import ALICE, BOB, acting_as, real_person


def make(path: Path, mode: int) -> Path:
    path.mkdir()
    path.chmod(mode)
    return path


@pytest.fixture
def top(short_tmp: Path) -> Path:
    short_tmp.chmod(0o755)
    return short_tmp


@pytest.mark.parametrize("mode", [0o700, 0o755, 0o711, 0o1755])
def test_what_only_we_may_write_to_is_ours(top: Path, mode: int) -> None:
    directory = make(top / "d", mode)
    assert find_shared_directory(str(directory / "socket")) is None
    (directory / "socket").touch()
    assert find_shared_directory(str(directory / "socket")) is None


@pytest.mark.parametrize("mode", [0o777, 0o1777, 0o757, 0o3777])
def test_where_others_may_write_they_may_be_first(top: Path, mode: int) -> None:
    directory = make(top / "d", mode)
    assert find_shared_directory(str(directory / "socket")) == str(directory)
    (directory / "socket").touch()
    assert find_shared_directory(str(directory / "socket")) == str(directory)


def test_a_group_is_others_but_for_the_users_own(top: Path) -> None:
    bob = real_person(BOB)
    directory = bob.make_directory(top / "d", 0o775)
    path = str(directory / "socket")
    with acting_as(bob):
        assert find_shared_directory(path) is None
    os.chown(directory, bob.uid, real_person(ALICE).gid)
    with acting_as(bob):
        assert find_shared_directory(path) == str(directory)
    os.chown(directory, bob.uid, 987_654)  # which has no name
    with acting_as(bob):
        assert find_shared_directory(path) == str(directory)


def test_what_is_below_a_directory_that_nobody_else_enters_is_ours(top: Path) -> None:
    directory = make(make(top / "closed", 0o700) / "d", 0o777)
    assert find_shared_directory(str(directory / "socket")) is None


@pytest.mark.parametrize(("mode", "is_shared"), [(0o1777, False), (0o777, True)])
def test_a_directory_on_the_way_keeps_what_is_ours_if_it_is_sticky(top: Path, mode: int, is_shared: bool) -> None:
    above = make(top / "above", mode)
    directory = make(above / "d", 0o755)
    assert find_shared_directory(str(directory / "socket")) == (str(above) if is_shared else None)


def test_another_users_directory_is_shared_and_so_is_what_is_below(top: Path) -> None:
    bob = real_person(BOB)
    theirs = bob.make_directory(top / "bobs")
    ours = make(theirs / "ours", 0o755)
    assert find_shared_directory(str(theirs / "socket")) == str(theirs)
    assert find_shared_directory(str(ours / "socket")) == str(theirs)
    sticky = make(top / "sticky", 0o1777)
    bobs = bob.make_directory(sticky / "bobs")
    assert find_shared_directory(str(bobs / "socket")) == str(sticky)


def test_links_are_followed_and_must_be_ours(top: Path) -> None:
    shared, private = make(top / "shared", 0o1777), make(top / "private", 0o755)
    (private / "way").symlink_to("../shared")
    (private / "back").symlink_to(top / "shared" / ".." / "private")
    (private / "end").symlink_to(shared / "socket")
    (shared / "link").symlink_to(private)
    assert find_shared_directory(str(private / "way" / "socket")) == str(shared)
    assert find_shared_directory(str(private / "back" / "socket")) is None
    assert find_shared_directory(str(private / "end")) == str(shared)
    assert find_shared_directory(str(shared / "link" / "socket")) is None  # ours, in a sticky directory
    os.lchown(shared / "link", real_person(BOB).uid, -1)
    assert find_shared_directory(str(shared / "link" / "socket")) == str(shared)


def test_a_loop_of_links_ends(top: Path) -> None:
    (top / "loop").symlink_to("loop")
    assert find_shared_directory(str(top / "loop" / "socket")) == str(top)


def test_a_way_that_is_not_there_is_nobodys_yet(top: Path) -> None:
    assert find_shared_directory(str(top / "no" / "such" / "place")) is None


def test_a_relative_path_is_looked_at_from_here(top: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = make(top / "d", 0o777)
    monkeypatch.chdir(directory)
    assert find_shared_directory("socket") == str(directory)
    assert find_shared_directory("./x/../socket") == str(directory)


@pytest.mark.parametrize(
    ("mode", "above", "is_open"),
    [
        (0o777, 0o755, True),
        (0o722, 0o711, True),
        (0o755, 0o755, False),
        (0o660, 0o755, False),
        (0o777, 0o750, False),
    ],
)
def test_who_may_connect_is_told_by_all_modes_on_the_way(top: Path, mode: int, above: int, is_open: bool) -> None:
    path = make(top / "d", above) / "socket"
    path.touch()
    path.chmod(mode)
    (top / "link").symlink_to(path)
    assert lets_others_connect(str(path)) is is_open
    assert lets_others_connect(str(top / "link")) is is_open
    path.unlink()
    assert not lets_others_connect(str(path))
