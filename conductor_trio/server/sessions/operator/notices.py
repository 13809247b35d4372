"""Notices to clients: what the operator has everybody know, said to each channel once, and to those who come."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import trio

from conductor_trio.control.events import Notice
from conductor_trio.limits.constants import MAX_TOLD_AT_ONCE
from conductor_trio.net.stream import STREAM_LOST
from conductor_trio.server.orders.orders import Announcement, Drain, Orders
from conductor_trio.server.sessions.channel import ControlChannel

_DRAIN = "the gateway takes no new sessions for a while; this one goes on"


class Notices:
    """Tells all channels that listen, one after the other, whenever the orders have changed."""

    def __init__(self, orders: Orders) -> None:
        self._orders = orders
        self._told: dict[ControlChannel, tuple[Notice, ...]] = {}
        self._has_changed = trio.Event()
        orders.subscribe(self._note_change)

    def _note_change(self) -> None:
        self._has_changed.set()

    @contextlib.contextmanager
    def listening(self, channel: ControlChannel) -> Iterator[None]:
        """Within, have a registered client told what is so, and what changes."""
        self._told[channel] = ()
        try:
            self._tell(channel)
            yield
        finally:
            del self._told[channel]

    async def run(self) -> None:
        """Tell them for ever; the server's nursery cancels it."""
        while True:
            await self._has_changed.wait()
            self._has_changed = trio.Event()
            for number, channel in enumerate(list(self._told), start=1):
                if channel in self._told:  # and has not ended meanwhile
                    self._tell(channel)
                if not number % MAX_TOLD_AT_ONCE:
                    await trio.lowlevel.checkpoint()

    def _tell(self, channel: ControlChannel) -> None:
        """Tell one what it has not been told: as it is now, whatever was so when the others were told."""
        notices = tuple(map(_word, self._orders.notices()))
        for notice in notices:
            if notice not in self._told[channel]:
                with contextlib.suppress(*STREAM_LOST):  # the session finds out by itself
                    channel.send_event(notice)
        self._told[channel] = notices


def _word(order: Drain | Announcement) -> Notice:
    match order:
        case Announcement(text=text, since=since):
            return Notice(about="announcement", text=text, since=since)
        case Drain(reason=reason, since=since):
            return Notice(about="drain", text=f"{_DRAIN}: {reason}" if reason else _DRAIN, since=since)
