"""Directories that could not be removed: removed later, or charged to whoever owns what is in them."""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

import attrs
import pytest
import trio

from conductor_trio.errors import RegistrationRefused
from conductor_trio.limits.server import ServerLimits
from conductor_trio.log import get_logger
from conductor_trio.server.accounts.quotas import SessionQuotas
from conductor_trio.server.sessions.leftovers import Leftovers
from tests.support.quotas import admitted

LIMITS = ServerLimits(max_user_sessions=1, leftover_interval=0.01)
US, ALICE = os.geteuid(), os.geteuid() + 1


@pytest.fixture
def directory(short_tmp: Path) -> Path:
    path = short_tmp / "alice-abcdefghijklmnop"
    path.mkdir()
    return path


def hide(directory: Path, name: str = "hidden") -> Path:
    """Make what cannot be removed without recursion."""
    (directory / name).mkdir()
    (directory / name / "file").touch()
    return directory / name / "file"


def is_charged(quotas: SessionQuotas, uid: int) -> bool:
    try:
        with admitted(quotas, uid):
            return False
    except RegistrationRefused:
        return True


@contextlib.asynccontextmanager
async def open_leftovers(
    quotas: SessionQuotas, limits: ServerLimits = LIMITS, **changes: int
) -> AsyncIterator[Leftovers]:
    leftovers = Leftovers(quotas, attrs.evolve(limits, **changes), get_logger())
    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(leftovers.run)
            yield leftovers
            nursery.cancel_scope.cancel()


async def wait_until(condition: object) -> None:
    assert callable(condition)
    while not condition():  # noqa: ASYNC110
        await trio.sleep(0.001)


async def test_what_can_be_removed_goes_whatever_it_is(directory: Path) -> None:
    target = directory.parent / "target"
    target.mkdir()
    (target / "precious").touch()
    for number in range(100):
        (directory / f"file-{number}").touch()
    (directory / "closed").mkdir(mode=0)
    (directory / "link").symlink_to(target)
    (directory / "dangling").symlink_to("nowhere")
    os.mkfifo(directory / "fifo")
    os.link(target / "precious", directory / "other-name")
    async with open_leftovers(SessionQuotas(LIMITS), max_leftover_removals=64) as leftovers:
        leftovers.take(str(directory), None)
        await wait_until(lambda: len(leftovers) == 0)
    assert not directory.exists()
    assert (target / "precious").exists()


async def test_what_stays_is_charged_to_its_owner_until_it_goes(directory: Path) -> None:
    hidden = hide(directory)
    quotas = SessionQuotas(LIMITS)
    async with open_leftovers(quotas) as leftovers:
        leftovers.take(str(directory), None)
        assert not is_charged(quotas, ALICE)
        await wait_until(lambda: is_charged(quotas, US))
        assert not is_charged(quotas, ALICE)
        hidden.unlink()
        await wait_until(lambda: len(leftovers) == 0)
        assert not is_charged(quotas, US)
    assert not directory.exists()


async def test_where_only_one_user_could_add_to_it_it_is_theirs_at_once(directory: Path) -> None:
    hidden = hide(directory)  # of our own making, as if it had been moved there
    quotas = SessionQuotas(LIMITS)
    async with open_leftovers(quotas) as leftovers:
        leftovers.take(str(directory), ALICE)
        assert is_charged(quotas, ALICE)
        await trio.sleep(0.05)
        assert is_charged(quotas, ALICE) and not is_charged(quotas, US)
        hidden.unlink()
        await wait_until(lambda: not is_charged(quotas, ALICE))


async def test_one_that_has_gone_by_itself_is_forgotten(directory: Path) -> None:
    quotas = SessionQuotas(LIMITS)
    async with open_leftovers(quotas) as leftovers:
        directory.rmdir()
        leftovers.take(str(directory), ALICE)
        await wait_until(lambda: len(leftovers) == 0)
        assert not is_charged(quotas, ALICE)


async def test_a_link_in_its_place_leads_nowhere(directory: Path) -> None:
    directory.rmdir()
    target = directory.parent / "target"
    target.mkdir()
    (target / "precious").touch()
    directory.symlink_to(target)
    async with open_leftovers(SessionQuotas(LIMITS)) as leftovers:
        leftovers.take(str(directory), None)
        await trio.sleep(0.05)
        assert len(leftovers) == 1
    assert (target / "precious").exists()


async def test_no_more_are_looked_after_than_there_may_be(short_tmp: Path) -> None:
    async with open_leftovers(SessionQuotas(LIMITS), max_leftovers=2) as leftovers:
        for number in range(4):
            (path := short_tmp / f"alice-{number}").mkdir()
            hide(path)
            leftovers.take(str(path), None)
        assert len(leftovers) == 2


async def test_each_has_its_turn(short_tmp: Path) -> None:
    files = []
    async with open_leftovers(SessionQuotas(LIMITS), max_leftover_visits=1) as leftovers:
        for number in range(4):
            (path := short_tmp / f"alice-{number}").mkdir()
            files.append(hide(path))
            leftovers.take(str(path), None)
        for file in reversed(files):
            left = len(leftovers)
            file.unlink()
            await wait_until(lambda left=left: len(leftovers) == left - 1)
