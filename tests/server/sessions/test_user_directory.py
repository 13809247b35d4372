"""Users and their groups: from the kernel and the directory, asked in threads, not for long, and remembered."""

from __future__ import annotations

import grp
import os
import pwd
import socket
from collections.abc import Iterator

import attrs
import pytest
import trio
from trio.testing import MockClock

from conductor_trio.errors import RegistrationRefused
from conductor_trio.limits.server import ServerLimits
from conductor_trio.server.sessions import user_directory
from conductor_trio.server.sessions.user_directory import User, UserDirectory, find_group
from tests.support.work import watch_turns

ME = pwd.getpwuid(os.geteuid())
LIMITS = ServerLimits(user_lookup_timeout=float("inf"))
MY_GROUP = grp.getgrgid(ME.pw_gid).gr_name
FOREIGN = next(group.gr_name for group in grp.getgrall() if group.gr_gid not in {ME.pw_gid, *os.getgroups()})


@pytest.fixture
def peer() -> Iterator[socket.socket]:
    """Give a connection of this process'."""
    one, other = socket.socketpair(socket.AF_UNIX)
    with one, other:
        yield one


async def test_a_user_has_a_name_and_those_groups_that_are_asked_for(peer: socket.socket) -> None:
    asked = frozenset({MY_GROUP, FOREIGN, "no such group"})
    user = await UserDirectory(asked, LIMITS).look_up(ME.pw_uid, peer)
    assert user == User(name=ME.pw_name, groups=frozenset({MY_GROUP}))
    assert await UserDirectory(frozenset(), LIMITS).look_up(ME.pw_uid, peer) == User(
        name=ME.pw_name, groups=frozenset()
    )


async def test_what_the_kernel_says_of_the_process_counts_too(peer: socket.socket) -> None:
    """As for somebody who logged in before the directory forgot it, or by another directory."""
    if os.geteuid() != 0:
        pytest.skip("only root can be in other groups")
    before = os.getgroups()
    group = find_group(FOREIGN)
    assert group is not None
    os.setgroups([group])
    try:
        one, other = socket.socketpair(socket.AF_UNIX)
    finally:
        os.setgroups(before)
    with one, other:
        directory = UserDirectory(frozenset({FOREIGN}), LIMITS)
        assert (await directory.look_up(ME.pw_uid, one)).groups == {FOREIGN}
        assert (await directory.look_up(ME.pw_uid, peer)).groups == frozenset()  # another process of the user


async def test_a_user_whom_nobody_knows_is_refused(peer: socket.socket) -> None:
    with pytest.raises(RegistrationRefused, match="knows no user with the id 3999999999"):
        await UserDirectory(frozenset(), LIMITS).look_up(3999999999, peer)


class Directory:
    """A directory service that answers when it is told to, and counts how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0
        self.may_answer = False

    def getpwuid(self, uid: int) -> pwd.struct_passwd:
        """Answer, once that is allowed."""
        self.asked += 1
        while not self.may_answer:
            os.sched_yield()
        return ME


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Directory:
    """Put one in the place of the host's."""
    service = Directory()
    monkeypatch.setattr(user_directory, "pwd", service)
    return service


async def test_who_asks_at_the_same_time_waits_for_one_answer(service: Directory, peer: socket.socket) -> None:
    directory = UserDirectory(frozenset(), LIMITS)
    async with trio.open_nursery() as nursery:
        for _ in range(20):
            nursery.start_soon(directory.look_up, ME.pw_uid, peer)
        await trio.testing.wait_all_tasks_blocked()
        assert directory.running == 1
        service.may_answer = True
    assert service.asked == 1


async def test_who_has_waited_goes_on_one_in_a_turn(service: Directory, peer: socket.socket) -> None:
    """A user's thousand clients come at once, and each of them has something to do next."""
    directory = UserDirectory(frozenset(), LIMITS)
    gone_on = 0

    async def come() -> None:
        nonlocal gone_on
        await directory.look_up(ME.pw_uid, peer)
        gone_on += 1
        await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as nursery:
        for _ in range(50):
            nursery.start_soon(come, name="client")
        await trio.testing.wait_all_tasks_blocked()
        with watch_turns("client") as watch:
            service.may_answer = True
            while gone_on < 50:  # noqa: ASYNC110
                await trio.lowlevel.checkpoint()
            await trio.lowlevel.checkpoint()  # the end of that turn
        assert watch.most <= 3  # one goes on, one has gone on, and the one who asked
    assert service.asked == 1


async def test_who_waits_behind_one_who_is_unknown_asks_again(peer: socket.socket) -> None:
    directory = UserDirectory(frozenset(), LIMITS)
    refused = 0

    async def come() -> None:
        nonlocal refused
        with pytest.raises(RegistrationRefused, match="knows no user"):
            await directory.look_up(3999999999, peer)
        refused += 1

    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(come)
    assert refused == 3


async def test_what_was_said_is_believed_for_a_while(
    service: Directory, peer: socket.socket, mock_clock: MockClock
) -> None:
    service.may_answer = True
    directory = UserDirectory(frozenset(), LIMITS)
    for seconds, asked in ((0, 1), (LIMITS.user_memory - 1, 1), (2, 2)):
        mock_clock.jump(seconds)
        await directory.look_up(ME.pw_uid, peer)
        assert service.asked == asked


async def test_a_service_that_hangs_is_not_waited_for_and_what_it_said_before_counts(
    service: Directory, peer: socket.socket, autojump_clock: MockClock
) -> None:
    directory = UserDirectory(frozenset(), attrs.evolve(LIMITS, user_lookup_timeout=5))
    with pytest.raises(RegistrationRefused, match="could not look up your user name in time; try again"):
        await directory.look_up(ME.pw_uid, peer)
    service.may_answer = True
    autojump_clock.autojump_threshold = float("inf")
    with trio.CancelScope() as scope:
        scope.shield = True
        while directory.running:  # noqa: ASYNC110
            await trio.lowlevel.checkpoint()
    user = await directory.look_up(ME.pw_uid, peer)
    autojump_clock.jump(LIMITS.user_memory + 1)
    service.may_answer = False
    autojump_clock.autojump_threshold = 0
    assert await directory.look_up(ME.pw_uid, peer) == user
    service.may_answer = True
    autojump_clock.autojump_threshold = float("inf")
    while directory.running:  # noqa: ASYNC110
        await trio.lowlevel.checkpoint()


async def test_no_more_users_are_remembered_than_are_allowed(service: Directory, peer: socket.socket) -> None:
    service.may_answer = True
    directory = UserDirectory(frozenset(), attrs.evolve(LIMITS, max_known_users=2))
    for uid in (1, 2, 3, 2, 3):
        await directory.look_up(uid, peer)
    assert service.asked == 3
    await directory.look_up(1, peer)
    assert service.asked == 4
