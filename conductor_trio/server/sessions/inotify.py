"""The kernel's word on what changes in the sessions' directories: one inotify descriptor for all of them."""

from __future__ import annotations

import contextlib
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


class Watch:
    """Tells of changes in one directory, seldom enough that nobody can keep the server busy with them."""

    def __init__(self, watcher: DirectoryMonitor, path: str) -> None:
        self._watcher = watcher
        self._path = path
        self._told = trio.Event()
        self._was_told = False  # to the caller
        self._pause = watcher.limits.watch_pause
        self.descriptor = watcher.arm(self, path)

    async def wait_changed(self) -> None:
        """Return once something may have changed since the last call, or since the watch began.

        A change shows at once. What follows it at once shows after a pause, which grows while changes go on.
        """
        limits = self._watcher.limits
        if self._was_told:
            await trio.sleep(self._pause)
            try:
                self.descriptor = self._watcher.arm(self, self._path)
            except OSError:
                return  # the directory is gone, which the caller sees; or there are too many watches, so we poll
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
        self._inotify = INotify(nonblocking=True)
        self._watches: dict[int, Watch] = {}

    @property
    def watches(self) -> int:
        """How many directories are watched."""
        return len(self._watches)

    def __enter__(self) -> DirectoryMonitor:
        return self

    def __exit__(self, *_: object) -> None:
        self._inotify.close()

    async def run(self) -> None:
        """Pass on what the kernel tells, for ever."""
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

    def arm(self, watch: Watch, path: str) -> int:
        """Have the next change told to the watch; raises OSError where there is no directory, or no room."""
        descriptor = int(self._inotify.add_watch(path, _CHANGES))
        self._watches[descriptor] = watch
        return descriptor

    @contextlib.contextmanager
    def watch(self, path: str) -> Iterator[Watch]:
        """Watch a directory; raises OSError where the kernel's limit on watches is reached."""
        watch = Watch(self, path)
        try:
            yield watch
        finally:
            if self._watches.pop(watch.descriptor, None) is not None:
                with contextlib.suppress(OSError):  # the kernel drops it with the directory
                    self._inotify.rm_watch(watch.descriptor)
