"""Liveness of clients: pings over the control channel, silence, idle time, and the word that we go."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import attrs
import trio

from conductor_trio.control.events import Move, Ping, ServerEvent
from conductor_trio.limits.constants import MAX_TOLD_AT_ONCE
from conductor_trio.limits.server import ServerLimits
from conductor_trio.net.stream import STREAM_LOST
from conductor_trio.server.accounts.ledger import SessionAccount
from conductor_trio.server.sessions.channel import ControlChannel
from conductor_trio.server.sessions.records import SessionRecord


@attrs.define(eq=False)
class _Link:
    """A client that answers, and since when nothing has gone through its route, to a ping's interval exactly."""

    record: SessionRecord
    account: SessionAccount
    active_at: float

    def measure_idle(self, now: float) -> float:
        """Return for how many seconds nothing has gone through at trio's time `now`."""
        traffic = self.account.traffic
        if traffic.was_active:
            traffic.was_active = False
            self.active_at = now
        return round(now - self.active_at, 1)


class LinkMonitor:
    """Pings all clients that answer, ends the sessions of those that are silent, and tells all of a drain."""

    def __init__(self, limits: ServerLimits) -> None:
        self._limits = limits
        self._is_draining = False
        self._links: dict[ControlChannel, _Link] = {}

    @contextlib.contextmanager
    def watching(self, channel: ControlChannel, record: SessionRecord, account: SessionAccount) -> Iterator[None]:
        """Within, the session ends when the client has not been heard for `ping_timeout`."""
        self._links[channel] = _Link(record, account, trio.current_time())
        record.scope.deadline = channel.last_heard + self._limits.ping_timeout
        if self._is_draining:
            self._tell(channel, Move())
        try:
            yield
        finally:
            del self._links[channel]

    def begin_drain(self) -> None:
        """Have all clients register elsewhere, those that are here and those that come."""
        self._is_draining = True
        for channel in list(self._links):
            self._tell(channel, Move())

    async def run(self) -> None:
        """Ping for ever; the server's nursery cancels it."""
        while True:
            await trio.sleep(self._limits.ping_interval)
            now = trio.current_time()
            for number, (channel, link) in enumerate(list(self._links.items()), start=1):
                if not number % MAX_TOLD_AT_ONCE:
                    await trio.lowlevel.checkpoint()
                if channel not in self._links:
                    continue  # it has ended meanwhile
                scope = link.record.scope
                scope.deadline = channel.last_heard + self._limits.ping_timeout
                if scope.deadline > now:
                    self._tell(channel, Ping(idle=link.measure_idle(now), visitors=link.account.present))

    def _tell(self, channel: ControlChannel, event: ServerEvent) -> None:
        with contextlib.suppress(*STREAM_LOST):  # the session finds out by itself
            channel.send_event(event)
