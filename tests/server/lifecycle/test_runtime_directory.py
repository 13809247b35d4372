"""The runtime directory: made, held by one server, swept, handed on; foreign things survive."""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import stat
from pathlib import Path

import pytest

from conductor_trio.errors import StartError
from conductor_trio.limits.constants import MAX_SOCKET_PATH
from conductor_trio.log import get_logger
from conductor_trio.server.lifecycle.runtime_directory import open_runtime_directory
from conductor_trio.server.sessions.directory import open_session_directory
from tests.support.users import BOB, real_person

LOG = get_logger()


def mode_of(path: Path | str) -> int:
    return stat.S_IMODE(os.stat(path).st_mode)


def bind_and_leave(path: Path) -> None:
    """Leave a socket behind as a server that crashed does."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(path))


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_what_is_made_has_its_mode_and_goes(short_tmp: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        with open_runtime_directory(str(short_tmp / "run")) as runtime:
            assert mode_of(short_tmp / "run") == 0o755
            assert mode_of(runtime.sockets) == 0o771
            with open_session_directory(runtime.sockets, "alice", os.geteuid()) as directory:
                assert mode_of(directory.path) == 0o3777
                directory.close_to_others()
                assert mode_of(directory.path) == 0o770
    finally:
        os.umask(before)
    assert list(short_tmp.iterdir()) == []


def test_what_was_there_before_stays(short_tmp: Path) -> None:
    run = short_tmp / "run"
    run.mkdir(mode=0o750)
    with open_runtime_directory(str(run)):
        pass
    assert list(short_tmp.iterdir()) == [run]
    assert list(run.iterdir()) == []
    assert mode_of(run) == 0o750


def test_only_one_server_holds_it(short_tmp: Path) -> None:
    run = str(short_tmp / "run")
    with (
        open_runtime_directory(run) as runtime,
        open_session_directory(runtime.sockets, "alice", os.geteuid()) as directory,
    ):
        with pytest.raises(StartError, match="another server is running on it"), open_runtime_directory(run):
            pass
        assert os.path.isdir(directory.path)
    with open_runtime_directory(run):
        pass


def test_leftovers_are_swept_and_foreign_things_are_not(short_tmp: Path) -> None:
    sockets, elsewhere = short_tmp / "run" / "sockets", short_tmp / "x"
    left, empty, cluttered, kept = (sockets / f"bob-{letter * 16}" for letter in "abcd")
    foreign = sockets / "backup"
    for directory in (left, empty, cluttered / "empty", kept / "hidden", foreign, elsewhere):
        directory.mkdir(parents=True)
    bind_and_leave(left / "socket")
    note, link, linked = sockets / "note", sockets / ("link-" + "e" * 16), cluttered / "link"
    for file in (note, elsewhere / "socket", kept / "hidden" / "data", cluttered / "data", foreign / "data"):
        file.touch()
    link.symlink_to(elsewhere)
    linked.symlink_to(elsewhere)
    with open_runtime_directory(str(short_tmp / "run")) as runtime:
        assert set(sockets.iterdir()) == {kept, foreign, note, link}
        assert runtime.left == [str(kept)]
        assert mode_of(kept) == 0o770
    assert set(sockets.iterdir()) == {kept, foreign, note, link}
    assert (kept / "hidden" / "data").exists() and (foreign / "data").exists()
    assert (elsewhere / "socket").exists()


def test_a_path_too_long_for_sockets_is_refused_and_not_made(short_tmp: Path) -> None:
    run = short_tmp / ("r" * MAX_SOCKET_PATH)
    with pytest.raises(StartError, match=r"[0-9]+ bytes too long"), open_runtime_directory(str(run)):
        pass
    assert list(short_tmp.iterdir()) == []


@pytest.mark.parametrize("where", ["run", "run/sockets"])
def test_a_file_in_the_way_is_named_and_stays(short_tmp: Path, where: str) -> None:
    path = short_tmp / where
    path.parent.mkdir(exist_ok=True)
    path.write_text("someone's")
    path.chmod(0o600)
    with pytest.raises(StartError, match="runtime directory"), open_runtime_directory(str(short_tmp / "run")):
        pass
    assert path.read_text() == "someone's"
    assert mode_of(path) == 0o600


def test_parents_that_had_to_be_made_go_again(short_tmp: Path) -> None:
    with open_runtime_directory(str(short_tmp / "a" / "b" / "run")):
        pass
    assert list(short_tmp.iterdir()) == []


def test_a_directory_that_another_user_has_made_first_is_not_used(short_tmp: Path) -> None:
    bob = real_person(BOB)
    (run := short_tmp / "run").mkdir()
    bob.make_directory(run / "sockets", 0o777)
    with (
        pytest.raises(StartError, match=f"another user .id {bob.uid}"),
        open_runtime_directory(str(run)),
    ):
        pass
    assert mode_of(run / "sockets") == 0o777


def test_a_link_in_place_of_the_sessions_directory_is_not_followed(short_tmp: Path) -> None:
    (run := short_tmp / "run").mkdir()
    (target := short_tmp / "target").mkdir(mode=0o700)
    (run / "sockets").symlink_to(target)
    with pytest.raises(StartError, match="runtime directory"), open_runtime_directory(str(run)):
        pass
    assert mode_of(target) == 0o700


# Several servers.


def test_one_that_has_left_its_place_keeps_its_sessions(short_tmp: Path) -> None:
    run = str(short_tmp / "run")
    with (
        open_runtime_directory(run) as old,
        open_session_directory(old.sockets, "alice", os.geteuid()) as directory,
    ):
        old.release_ownership()
        with open_runtime_directory(run) as new:
            assert os.path.isdir(directory.path)
            assert old.sockets == new.sockets
        with open_runtime_directory(run):
            assert os.path.isdir(directory.path)
    assert list(short_tmp.iterdir()) == []


def test_nobody_comes_between_two_servers(short_tmp: Path) -> None:
    run = str(short_tmp / "run")
    with open_runtime_directory(run) as old:
        with open_runtime_directory(run, ownership=old.ownership):
            old.release_ownership()
            with pytest.raises(StartError, match="another server"), open_runtime_directory(run):
                pass
        assert os.path.isdir(old.sockets)  # its maker is still there
    assert list(short_tmp.iterdir()) == []


def test_the_directories_stay_while_another_server_accepts(short_tmp: Path) -> None:
    run = str(short_tmp / "run")
    with contextlib.ExitStack() as old_one, contextlib.ExitStack() as new_one:
        old = old_one.enter_context(open_runtime_directory(run))
        new = new_one.enter_context(open_runtime_directory(run, ownership=old.ownership))
        old.release_ownership()
        old_one.close()
        assert os.path.isdir(new.sockets)


def test_another_user_s_lock_only_hinders_sweeping(short_tmp: Path) -> None:
    left = short_tmp / "run" / "sockets" / "alice-abcdefghijklmnop"
    left.mkdir(parents=True)
    theirs = os.open(short_tmp / "run", os.O_RDONLY)
    try:
        fcntl.flock(theirs, fcntl.LOCK_EX)
        with open_runtime_directory(str(short_tmp / "run")):
            assert left.exists()
    finally:
        os.close(theirs)
    with open_runtime_directory(str(short_tmp / "run")):
        assert not left.exists()
