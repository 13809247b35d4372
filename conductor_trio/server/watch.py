"""The kernel's word on what changes in the sessions' directories: one inotify descriptor for all of them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import trio
from inotify_simple import INotify, flags

_CHANGES = (
    flags.CREATE
    | flags.DELETE
    | flags.ATTRIB
    | flags.MOVED_FROM
    | flags.MOVED_TO
    | flags.DELETE_SELF
    | flags.ONLYDIR
)


class Watch:
    """Tells of changes in one directory."""

    def __init__(self) -> None:
        self._changed = trio.Event()

    async def wait_changed(self) -> None:
        """Return once something has changed since the last call, or since the watch began."""
        await self._changed.wait()
        self._changed = trio.Event()

    def notify(self) -> None:
        """Tell of a change."""
        self._changed.set()


class DirectoryWatcher:
    """Watches directories until closed."""

    def __init__(self) -> None:
        self._inotify = INotify(nonblocking=True)
        self._watches: dict[int, Watch] = {}

    def __enter__(self) -> DirectoryWatcher:
        return self

    def __exit__(self, *_: object) -> None:
        self._inotify.close()

    async def run(self) -> None:
        """Pass on what the kernel tells, for ever."""
        while True:
            await trio.lowlevel.wait_readable(self._inotify.fileno())
            for event in self._inotify.read(timeout=0):
                if event.mask & flags.Q_OVERFLOW:  # something was lost: everybody looks
                    for watch in self._watches.values():
                        watch.notify()
                elif event.wd in self._watches:
                    self._watches[event.wd].notify()

    @contextlib.contextmanager
    def watch(self, path: str) -> Iterator[Watch]:
        """Watch a directory; raises OSError where the kernel's limit on watches is reached."""
        descriptor = self._inotify.add_watch(path, _CHANGES)
        watch = self._watches[descriptor] = Watch()
        try:
            yield watch
        finally:
            del self._watches[descriptor]
            with contextlib.suppress(OSError):  # the kernel drops it with the directory
                self._inotify.rm_watch(descriptor)
