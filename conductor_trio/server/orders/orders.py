"""The orders that stand, and what follows from them; every change is told to those who subscribed."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import attrs

from conductor_trio.errors import ADMINISTRATORS, RegistrationRefused
from conductor_trio.server.orders.blocks import Block, Blocked
from conductor_trio.server.orders.ends import Ends
from conductor_trio.server.orders.networks import Networks


@attrs.frozen(kw_only=True)
class Drain:
    """No new sessions are taken, since then (Unix time)."""

    since: float
    reason: str = ""


@attrs.frozen(kw_only=True)
class Announcement:
    """What everybody is to read, since then (Unix time)."""

    text: str
    since: float


class Orders:
    """All of them. `networks` are those that are blocked, in a form in which an address is looked up.

    `ends` are of single sessions, and have subscribers of their own.
    """

    def __init__(self) -> None:
        self.drain: Drain | None = None
        self.announcement: Announcement | None = None
        self.networks = Networks()
        self.ends = Ends()
        self._blocks: dict[tuple[Blocked, str], Block] = {}
        self._subscribers: list[Callable[[], None]] = []

    def subscribe(self, subscriber: Callable[[], None]) -> None:
        """Have `subscriber` called after every change from now on."""
        self._subscribers.append(subscriber)

    @property
    def blocks(self) -> tuple[Block, ...]:
        """Whoever is blocked, those first that have been for longest."""
        return tuple(self._blocks.values())

    @property
    def are_any(self) -> bool:
        """Whether an order stands."""
        return bool(self._blocks) or self.drain is not None or self.announcement is not None

    @property
    def announced(self) -> str:
        """What is announced; empty for nothing."""
        return "" if self.announcement is None else self.announcement.text

    def block(self, block: Block) -> None:
        """Keep somebody out from now on, or for another time than before."""
        self._blocks.pop((block.kind, block.name), None)
        self._blocks[block.kind, block.name] = block
        self._note_blocks()

    def unblock(self, kind: Blocked, name: str) -> bool:
        """Keep somebody out no longer; returns whether they were."""
        was_blocked = self._blocks.pop((kind, name), None) is not None
        if was_blocked:
            self._note_blocks()
        return was_blocked

    def expire(self, now: float) -> tuple[Block, ...]:
        """End the blocks whose time is over (Unix time), and return them."""
        over = tuple(block for block in self._blocks.values() if block.until is not None and block.until <= now)
        for block in over:
            del self._blocks[block.kind, block.name]
        if over:
            self._note_blocks()
        return over

    def set_drain(self, drain: Drain | None) -> None:
        """Take no new sessions from now on, or take them again."""
        self.drain = drain
        self._publish()

    def announce(self, announcement: Announcement | None) -> None:
        """Have everybody read it from now on, or nothing any more."""
        self.announcement = announcement
        self._publish()

    def restore(
        self, blocks: tuple[Block, ...], drain: Drain | None, announcement: Announcement | None, now: float
    ) -> None:
        """Take over what stood at an earlier server; blocks whose time is over (Unix time) are left out."""
        self._blocks = {(block.kind, block.name): block for block in blocks}
        self.drain, self.announcement = drain, announcement
        self.expire(now)
        self._note_blocks()

    def check_new_session(self, user: str) -> None:
        """Raise `RegistrationRefused` where no new session of a user's is taken; one that comes back is none."""
        block = self._blocks.get((Blocked.USER, user))
        if block is not None:
            raise RegistrationRefused(
                f"the gateway's operator takes no new sessions of yours{_because(block.reason)}",
                advice=f"ask {ADMINISTRATORS}",
            )
        if self.drain is not None:
            raise RegistrationRefused(
                f"the gateway takes no new sessions at this moment{_because(self.drain.reason)}",
                advice="try again later",
            )

    def notices(self) -> Iterator[Drain | Announcement]:
        """Yield what clients are to be told."""
        if self.drain is not None:
            yield self.drain
        if self.announcement is not None:
            yield self.announcement

    def _note_blocks(self) -> None:
        self.networks = Networks(block.name for block in self._blocks.values() if block.kind is Blocked.NETWORK)
        self._publish()

    def _publish(self) -> None:
        for subscriber in self._subscribers:
            subscriber()


def _because(reason: str) -> str:
    return f": {reason}" if reason else ""
