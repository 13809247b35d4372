"""Who called connect() is whom the kernel says."""

from __future__ import annotations

import os
import socket
from pathlib import Path

from conductor_trio.net.peer_credentials import Credentials, peer_credentials, peer_groups
from tests.support.needs import require_root
from tests.support.users import BOB, acting_as, real_person

OURS = Credentials(pid=os.getpid(), uid=os.geteuid(), gid=os.getegid())


def test_both_ends_of_a_pair_are_ours() -> None:
    one, other = socket.socketpair()
    with one, other:
        assert peer_credentials(one) == peer_credentials(other) == OURS


def test_it_is_who_connected_and_not_who_has_the_socket_now(short_tmp: Path) -> None:
    bob = real_person(BOB)
    path = short_tmp / "s"
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as client:
        listener.bind(str(path))
        path.chmod(0o777)
        listener.listen()
        with acting_as(bob):
            client.connect(str(path))
        with listener.accept()[0] as accepted:
            assert peer_credentials(accepted).uid == bob.uid
    path.unlink()


def test_the_groups_are_those_of_the_process_however_many() -> None:
    one, other = socket.socketpair()
    with one, other:
        assert peer_groups(one) == {os.getegid(), *os.getgroups()}
    require_root()
    before = os.getgroups()
    many = range(50_000, 50_700)  # more than socket.getsockopt() takes
    os.setgroups(many)
    try:
        one, other = socket.socketpair()
    finally:
        os.setgroups(before)
    with one, other:
        assert peer_groups(one) == {os.getegid(), *many}
