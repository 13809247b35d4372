"""One worker as the control process sees it: its process, its end of the feed, and what it has heard and said."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable
from typing import Protocol

import attrs
import trio

from conductor_trio.limits.workers import WORKER_READ_SIZE
from conductor_trio.net.kernel import pidfd_send_signal
from conductor_trio.server.routing.feed import FeedSource, Outbox


class Process(Protocol):
    """What is asked of a process; `trio.Process` is one."""

    @property
    def pid(self) -> int:
        """Its id."""

    @property
    def returncode(self) -> int | None:
        """Its exit status, once that is known."""

    def kill(self) -> None:
        """End it at once, if it has not ended."""

    async def wait(self) -> object:
        """Return once it has ended."""


@attrs.frozen(eq=False)
class AdoptedProcess:
    """A process that another server has started, by a descriptor (pidfd_open(2)) that somebody else closes."""

    pid: int
    pidfd: int
    returncode: None = None  #: which its parent alone is told

    def kill(self) -> None:
        """End it at once, if it has not ended."""
        with contextlib.suppress(ProcessLookupError):
            pidfd_send_signal(self.pidfd, signal.SIGKILL)

    async def wait(self) -> None:
        """Return once it has ended."""
        await trio.lowlevel.wait_readable(self.pidfd)


@attrs.define(eq=False)
class Member:
    """One worker, from its start, or from when it was adopted, to its end."""

    process: Process
    feed: trio.SocketStream
    source: FeedSource  #: of what it is told
    outbox: Outbox | None = None  #: once it has said its first word
    unused: set[str] = attrs.field(factory=set)  #: routes for which nothing runs there, of those asked for
    is_retired: bool = False  #: it ends once nobody is left, and another one has its place

    @property
    def is_ready(self) -> bool:
        """Whether it has had everything once, and so serves."""
        return self.outbox is not None and self.outbox.acknowledged >= 0

    @property
    def accepts(self) -> bool:
        """Whether it serves, and no other has its place."""
        return self.is_ready and not self.is_retired

    def lags(self, number: int) -> bool:
        """Whether it serves, or is about to, and what was so at that number is not so there as yet."""
        # One that has not had everything once, too: what it is about to serve by may be older.
        return self.outbox is not None and self.outbox.acknowledged < number

    async def send_news(self, outbox: Outbox, note_sending: Callable[[], None]) -> None:
        """Send what it is to be told; `note_sending` is called before each piece, which is waited for then."""
        piece = b""
        for line in outbox.take():
            piece += line
            if len(piece) >= WORKER_READ_SIZE:
                note_sending()
                await self.feed.send_all(piece)
                piece = b""
        note_sending()
        await self.feed.send_all(piece)

    async def end(self) -> None:
        """Have its process be gone."""
        await trio.aclose_forcefully(self.feed)
        self.process.kill()
        await self.process.wait()


@attrs.define(eq=False)
class Life:
    """What came of one start."""

    worker: Member | None = None
    is_over: bool = False
