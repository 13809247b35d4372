"""Who may give the operator's commands, as the kernel tells."""

from __future__ import annotations

import grp
import os
import socket
from pathlib import Path

import pytest

from conductor_trio.errors import CommandRefused, StartError
from conductor_trio.server.admin.peers import Operators, describe_operators
from tests.support.users import ALICE, BOB, acting_as, real_person


def test_root_and_the_server_s_own_user_may() -> None:
    one, other = socket.socketpair()
    with one, other:
        assert Operators.of_group(None).check(one) == os.geteuid()


@pytest.mark.parametrize("name", [ALICE, BOB])
def test_a_member_of_the_group_may_and_a_stranger_not(short_tmp: Path, name: str) -> None:
    person, alice = real_person(name), real_person(ALICE)
    operators = Operators.of_group(grp.getgrgid(alice.gid).gr_name)
    path = short_tmp / "s"
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as client:
        listener.bind(str(path))
        path.chmod(0o777)
        listener.listen()
        with acting_as(person):
            client.connect(str(path))
        with listener.accept()[0] as accepted:
            if name == ALICE:
                assert operators.check(accepted) == person.uid
            else:
                with pytest.raises(CommandRefused, match=f"members of the group {operators.group} may"):
                    operators.check(accepted)
            with pytest.raises(CommandRefused):
                Operators.of_group(None).check(accepted)
    path.unlink()


def test_a_group_that_there_is_not() -> None:
    with pytest.raises(StartError, match="--admin-group: there is no group 'no-such-group' on this host"):
        Operators.of_group("no-such-group")


@pytest.mark.parametrize(
    ("user", "group", "words"),
    [
        ("root", None, "only root may"),
        ("conductor", None, "only root and conductor may"),
        ("root", "ops", "only root and the members of the group ops may"),
        ("conductor", "ops", "only root, conductor and the members of the group ops may"),
    ],
)
def test_who_may_is_said(user: str, group: str | None, words: str) -> None:
    assert describe_operators(user, group) == f"{words} give this server commands"
