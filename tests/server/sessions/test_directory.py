"""A session's own directory: made, checked and removed, whatever was put in it."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from conductor_trio.log import get_logger
from conductor_trio.server.sessions.directory import SessionDirectory, open_session_directory

LOG = get_logger()


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
    with open_session_directory(str(short_tmp), user, LOG) as directory:
        assert Path(directory.path).parent == short_tmp
        assert Path(directory.path).name.startswith(prefix)
        assert len(os.fsencode(Path(directory.path).name)) <= 49  # what open_runtime_directory leaves room for


def test_no_two_directories_are_the_same(short_tmp: Path) -> None:
    with (
        open_session_directory(str(short_tmp), "a", LOG) as one,
        open_session_directory(str(short_tmp), "a", LOG) as two,
    ):
        assert one.path != two.path


def test_its_socket_goes_with_it_even_if_it_has_gone_before(short_tmp: Path) -> None:
    with open_session_directory(str(short_tmp), "alice", LOG) as directory:
        bind_and_leave(Path(directory.relay_path))
    with open_session_directory(str(short_tmp), "alice", LOG) as directory:
        os.rmdir(directory.path)
    assert list(short_tmp.iterdir()) == []


def test_a_link_in_place_of_the_socket_is_removed_and_not_what_it_leads_to(short_tmp: Path) -> None:
    target = short_tmp / "target"
    target.write_text("someone's")
    with open_session_directory(str(short_tmp), "alice", LOG) as directory:
        os.symlink(target, directory.relay_path)
    assert list(short_tmp.iterdir()) == [target]


def test_the_check_gives_what_the_socket_is(short_tmp: Path) -> None:
    directory = SessionDirectory(str(short_tmp))
    bind_and_leave(Path(directory.relay_path))
    os.chmod(directory.relay_path, 0o660)
    found = directory.check_relay(os.geteuid())
    assert os.path.samestat(found, os.lstat(directory.relay_path))
    os.unlink(directory.relay_path)
