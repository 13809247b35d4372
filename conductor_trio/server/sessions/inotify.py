"""The kernel's word on what changes in the sessions' directories: one inotify descriptor for all of them.

Instances and watches are limited for each user (inotify(7)), and whatever runs as ours uses them, too. Where there
is none to be had, directories are looked at now and then, until there is.
"""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator

import trio
from inotify_simple import INotify, flags

from conductor_trio.limits.constants import MAX_TOLD_AT_ONCE
from conductor_trio.limits.server import ServerLimits

_CHANGES = (
    flags.CREATE
    | flags.DELETE
    | flags.ATTRIB
    | flags.MOVED_FROM
    | flags.MOVED_TO
    | flags.DELETE_SELF
    | flags.ONLYDIR
    | flags.ONESHOT  # a user can make thousands of changes a second; we look again when it suits us
)

# What tells of the host, and not of the directory.
_NONE_LEFT = {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOSPC, errno.ENOSYS}


class Watch:
    """Tells of changes in one directory, seldom enough that nobody can keep the server busy with them."""

    def __init__(self, watcher: DirectoryMonitor, path: str) -> None:
        self._watcher = watcher
        self._path = path
        self._told = trio.Event()
        self._was_told = False  # to the caller
        self._pause = watcher.limits.watch_pause
        self.descriptor: int | None = watcher.arm(self, path)

    async def wait_changed(self) -> None:
        """Return once something may have changed since the last call, or since the watch began.

        A change shows at once. What follows it at once shows after a pause, which grows while changes go on.
        """
        limits = self._watcher.limits
        if self.descriptor is None or self._was_told:
            await trio.sleep(limits.unwatched_interval if self.descriptor is None else self._pause)
            try:
                self.descriptor = self._watcher.arm(self, self._path)
            except OSError:
                return  # the directory is gone, which the caller sees
            self._was_told, self._told = False, trio.Event()
        else:
            since = trio.current_time()
            await self._told.wait()
            self._was_told = True
            goes_on = trio.current_time() - since < limits.max_watch_pause
            self._pause = min(self._pause * 2, limits.max_watch_pause) if goes_on else limits.watch_pause

    def notify(self) -> None:
        """Tell of a change."""
        self._told.set()


class DirectoryMonitor:
    """Watches directories until closed."""

    def __init__(self, limits: ServerLimits) -> None:
        self.limits = limits
        self._inotify = _open_inotify()
        self._watches: dict[int, Watch] = {}

    @property
    def is_told(self) -> bool:
        """Whether the kernel tells of changes, so that nobody has to look."""
        return self._inotify is not None

    @property
    def watches(self) -> int:
        """How many directories are watched."""
        return len(self._watches)

    def __enter__(self) -> DirectoryMonitor:
        return self

    def __exit__(self, *_: object) -> None:
        if self._inotify is not None:
            self._inotify.close()

    async def run(self) -> None:
        """Pass on what the kernel tells, for ever."""
        while self._inotify is None:
            await trio.sleep(self.limits.unwatched_interval)
            self._inotify = _open_inotify()
        while True:
            await trio.lowlevel.wait_readable(self._inotify.fileno())
            for number, event in enumerate(self._inotify.read(timeout=0), start=1):
                if not number % MAX_TOLD_AT_ONCE:
                    await trio.lowlevel.checkpoint()
                if event.mask & flags.Q_OVERFLOW:  # something was lost: everybody looks
                    for watch in list(self._watches.values()):
                        watch.notify()
                elif watch_told := self._watches.pop(event.wd, None):
                    watch_told.notify()

    def arm(self, watch: Watch, path: str) -> int | None:
        """Have the next change told to the watch; None where none is to be had. Raises OSError: no directory."""
        try:
            if self._inotify is None:
                return None
            descriptor = int(self._inotify.add_watch(path, _CHANGES))
        except OSError as error:
            if error.errno in _NONE_LEFT:
                return None
            raise
        self._watches[descriptor] = watch
        return descriptor

    @contextlib.contextmanager
    def watch(self, path: str) -> Iterator[Watch]:
        """Watch a directory; raises OSError where there is none."""
        watch = Watch(self, path)
        try:
            yield watch
        finally:
            descriptor = watch.descriptor
            if descriptor is not None and self._watches.pop(descriptor, None) is not None:
                assert self._inotify is not None
                with contextlib.suppress(OSError):  # the kernel drops it with the directory
                    self._inotify.rm_watch(descriptor)


def _open_inotify() -> INotify | None:
    """Return an inotify descriptor, None where there is none to be had."""
    try:
        return INotify(nonblocking=True)
    except OSError:
        return None
