"""A session's own directory: made, checked and removed, whatever was put in it."""

from __future__ import annotations

import os
import shutil
import socket
import stat
from pathlib import Path

import pytest

from conductor_trio.limits.constants import MAX_INLINE_REMOVALS
from conductor_trio.server.sessions.access_list import has_lists
from conductor_trio.server.sessions.directory import (
    SessionDirectory,
    find_session_directories,
    open_session_directory,
)
from tests.support.needs import missing
from tests.support.users import ALICE, BOB, acting_as, real_person


def bind_and_leave(path: Path) -> None:
    """Leave a socket behind as a server that crashed does."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(path))


@pytest.mark.parametrize(
    ("user", "prefix"),
    [
        ("alice", "alice-"),
        ("Alice.B_c", "Alice.B_c-"),
        ("../etc", "etc--"),
        ("a/b", "a-b--"),
        (".hidden", "hidden--"),
        ("-rf", "rf--"),
        ("u" * 60, "u" * 12 + "--"),
        ("DOMAIN\\user", "domain-user--"),
        ("\udcff", "u--"),
    ],
)
def test_a_directory_is_named_after_its_user_and_cannot_lead_elsewhere(
    short_tmp: Path, user: str, prefix: str
) -> None:
    with open_session_directory(str(short_tmp), user, os.geteuid()) as directory:
        assert Path(directory.path).parent == short_tmp
        assert Path(directory.path).name.startswith(prefix)
        assert len(os.fsencode(Path(directory.path).name)) <= 49  # what open_runtime_directory leaves room for


def test_no_two_directories_are_the_same(short_tmp: Path) -> None:
    with (
        open_session_directory(str(short_tmp), "a", os.geteuid()) as one,
        open_session_directory(str(short_tmp), "a", os.geteuid()) as two,
    ):
        assert one.path != two.path


def test_its_socket_goes_with_it_even_if_it_has_gone_before(short_tmp: Path) -> None:
    with open_session_directory(str(short_tmp), "alice", os.geteuid()) as directory:
        bind_and_leave(Path(directory.relay_path))
    with open_session_directory(str(short_tmp), "alice", os.geteuid()) as directory:
        os.rmdir(directory.path)
    assert list(short_tmp.iterdir()) == []


def test_a_link_in_place_of_the_socket_is_removed_and_not_what_it_leads_to(short_tmp: Path) -> None:
    target = short_tmp / "target"
    target.write_text("someone's")
    with open_session_directory(str(short_tmp), "alice", os.geteuid()) as directory:
        os.symlink(target, directory.relay_path)
    assert list(short_tmp.iterdir()) == [target]


def test_what_others_have_put_there_goes_with_it(short_tmp: Path) -> None:
    with open_session_directory(str(short_tmp), "alice", os.geteuid()) as directory:
        path = Path(directory.path)
        (path / "file").touch()
        (path / "closed").mkdir(mode=0)
        (path / "link").symlink_to("/etc/passwd")
        (path / "socket").mkdir()
    assert not directory.is_left
    assert list(short_tmp.iterdir()) == []


@pytest.mark.parametrize("count", [1, MAX_INLINE_REMOVALS + 1])
def test_what_is_too_much_or_not_empty_stays_and_is_closed_to_others(short_tmp: Path, count: int) -> None:
    with open_session_directory(str(short_tmp), "alice", os.geteuid()) as directory:
        path = Path(directory.path)
        for number in range(count):
            (path / f"hidden-{number}").mkdir()
            (path / f"hidden-{number}" / "file").touch()
    assert directory.is_left
    assert len(list(path.iterdir())) == count
    assert stat.S_IMODE(path.stat().st_mode) == 0o770
    shutil.rmtree(path)


def test_only_its_user_is_let_in_until_it_is_closed(short_tmp: Path) -> None:
    if not has_lists(str(short_tmp)):
        missing(f"needs access lists on the file system of {short_tmp}")
    alice, bob = real_person(ALICE), real_person(BOB)
    short_tmp.chmod(0o755)
    with open_session_directory(str(short_tmp), "alice", alice.uid) as directory:
        assert directory.only_user == alice.uid
        assert stat.S_IMODE(os.stat(directory.path).st_mode) == 0o3770
        with acting_as(bob), pytest.raises(PermissionError):
            os.mkdir(f"{directory.path}/bobs")
        with acting_as(alice):
            bind_and_leave(Path(directory.relay_path))
            os.chmod(directory.relay_path, 0o660)
        assert os.stat(directory.relay_path).st_gid == os.getegid()
        directory.close_to_others()
        assert stat.S_IMODE(os.stat(directory.path).st_mode) == 0o770
        with acting_as(alice), pytest.raises(PermissionError):
            os.mkdir(f"{directory.path}/alices")
        directory.check_relay(alice.uid)
    assert list(short_tmp.iterdir()) == []


def test_without_lists_everybody_is_let_in(short_tmp: Path) -> None:
    with open_session_directory(str(short_tmp), "us", os.geteuid()) as directory:  # the server's own user
        assert directory.only_user is None
        assert stat.S_IMODE(os.stat(directory.path).st_mode) == 0o3777


def test_only_what_is_named_as_ours_is_found(short_tmp: Path) -> None:
    with open_session_directory(str(short_tmp), "alice", os.geteuid()) as directory:
        (short_tmp / "alice-notes").mkdir()
        (short_tmp / f"alice-{'a' * 16}").touch()
        assert find_session_directories(str(short_tmp)) == [directory.path]
        (short_tmp / f"alice-{'a' * 16}").unlink()
    assert [path.name for path in short_tmp.iterdir()] == ["alice-notes"]


def test_the_check_gives_what_the_socket_is(short_tmp: Path) -> None:
    directory = SessionDirectory(str(short_tmp))
    bind_and_leave(Path(directory.relay_path))
    os.chmod(directory.relay_path, 0o660)
    found = directory.check_relay(os.geteuid())
    assert os.path.samestat(found, os.lstat(directory.relay_path))
    os.unlink(directory.relay_path)
