"""The kernel's word on changes in directories."""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import AsyncIterator
from pathlib import Path

import attrs
import pytest
import trio
import trio.testing

from conductor_trio.limits.server import ServerLimits
from conductor_trio.server.sessions.inotify import DirectoryMonitor, Watch
from tests.support.descriptors import no_descriptor_left

PATIENCE = 10.0
LIMITS = ServerLimits(watch_pause=0, max_watch_pause=0)


@pytest.fixture
async def watcher() -> AsyncIterator[DirectoryMonitor]:
    with DirectoryMonitor(LIMITS) as watcher:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(watcher.run)
            yield watcher
            nursery.cancel_scope.cancel()


async def tells(watch: Watch) -> bool:
    """Whether a change has been told since this was asked last."""
    told = False
    async with trio.open_nursery() as nursery:

        async def wait() -> None:
            nonlocal told
            await watch.wait_changed()
            told = True

        nursery.start_soon(wait)
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    return told


async def test_each_change_of_a_name_or_a_mode_is_told(watcher: DirectoryMonitor, tmp_path: Path) -> None:
    name = tmp_path / "socket"
    with watcher.watch(str(tmp_path)) as watch:
        assert not await tells(watch)
        for change in (
            name.touch,
            lambda: name.chmod(0o600),
            lambda: name.rename(tmp_path / "other"),
            lambda: (tmp_path / "other").rename(name),
            name.unlink,
        ):
            change()
            assert await tells(watch)
            assert await tells(watch)  # something may have followed, which nobody would have told
            assert not await tells(watch)


async def test_what_was_told_while_nobody_waited_is_not_lost(watcher: DirectoryMonitor, tmp_path: Path) -> None:
    with watcher.watch(str(tmp_path)) as watch:
        (tmp_path / "one").touch()
        (tmp_path / "two").touch()
        await trio.testing.wait_all_tasks_blocked()
        with trio.fail_after(PATIENCE):
            await watch.wait_changed()
        assert await tells(watch)
        assert not await tells(watch)


async def test_a_flood_of_changes_is_looked_at_less_and_less(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    limits = ServerLimits(watch_pause=1, max_watch_pause=4)
    times = []
    with DirectoryMonitor(limits) as watcher, watcher.watch(str(tmp_path)) as watch:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(watcher.run)
            for number in range(6):
                for name in range(100):
                    (tmp_path / f"{number}-{name}").touch()
                await watch.wait_changed()  # told
                await watch.wait_changed()  # and looked at again
                times.append(trio.current_time())
            nursery.cancel_scope.cancel()
    pauses = [after - before for before, after in itertools.pairwise(times)]
    assert pauses == [4, 4, 4, 4, 4]


async def test_each_directory_hears_of_its_own(watcher: DirectoryMonitor, tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir()
    two.mkdir()
    with watcher.watch(str(one)) as ones, watcher.watch(str(two)) as twos:
        (one / "x").touch()
        assert await tells(ones)
        assert not await tells(twos)


async def test_a_directory_that_vanishes_is_told_and_can_be_left(
    watcher: DirectoryMonitor, tmp_path: Path
) -> None:
    place = tmp_path / "place"
    place.mkdir()
    with watcher.watch(str(place)) as watch:
        place.rmdir()
        with trio.fail_after(PATIENCE):
            await watch.wait_changed()
    await trio.testing.wait_all_tasks_blocked()
    # The kernel's word on the former one must not be taken for one on the next.
    place.mkdir()
    with watcher.watch(str(place)) as watch:
        assert not await tells(watch)
        (place / "x").touch()
        assert await tells(watch)


async def test_a_watch_that_was_left_says_nothing_more(watcher: DirectoryMonitor, tmp_path: Path) -> None:
    with watcher.watch(str(tmp_path)) as watch:
        pass
    (tmp_path / "x").touch()
    assert not await tells(watch)


@pytest.mark.parametrize("make", [lambda path: None, lambda path: path.touch()], ids=["nothing", "a file"])
def test_what_is_no_directory_cannot_be_watched(tmp_path: Path, make: object) -> None:
    assert callable(make)
    make(tmp_path / "x")
    with DirectoryMonitor(LIMITS) as watcher, pytest.raises(OSError), watcher.watch(os.fspath(tmp_path / "x")):
        pass


async def test_when_the_kernel_lost_something_everybody_looks(watcher: DirectoryMonitor, tmp_path: Path) -> None:
    limit = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    busy, quiet = tmp_path / "busy", tmp_path / "quiet"
    busy.mkdir()
    quiet.mkdir()
    name = busy / "name"
    with watcher.watch(str(busy)) as busies, watcher.watch(str(quiet)) as quiets:
        # Nothing is read meanwhile, as nothing is awaited. A watch tells one change only, and its own end.
        for number in range(limit // 2 + 1):
            if number % 2:
                name.unlink()
            else:
                name.touch()
            busies.descriptor = watcher.arm(busies, str(busy))
        assert await tells(quiets)


async def test_without_inotify_directories_are_looked_at_until_there_is_some(tmp_path: Path) -> None:
    limits = attrs.evolve(LIMITS, unwatched_interval=0.01)
    with contextlib.ExitStack() as stack:
        with no_descriptor_left():
            watcher = stack.enter_context(DirectoryMonitor(limits))
        assert not watcher.is_told
        watch = stack.enter_context(watcher.watch(str(tmp_path)))
        with trio.fail_after(PATIENCE):
            for _ in range(3):
                await watch.wait_changed()
            assert not watcher.watches
            async with trio.open_nursery() as nursery:
                nursery.start_soon(watcher.run)
                while watch.descriptor is None:
                    await watch.wait_changed()
                (tmp_path / "x").touch()
                await watch.wait_changed()
                nursery.cancel_scope.cancel()
        assert watcher.is_told


async def test_a_directory_that_cannot_be_watched_again_is_looked_at_now_and_then(
    watcher: DirectoryMonitor, tmp_path: Path
) -> None:
    place = tmp_path / "place"
    place.mkdir()
    with watcher.watch(str(place)) as watch:
        place.rmdir()
        for _ in range(3):
            assert await tells(watch)
