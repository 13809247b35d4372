"""Liveness of clients: pings over the control channel, silence, idle time, and the word that we go."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import attrs
import trio

from conductor_trio.control.events import Move, Ping, ServerEvent
from conductor_trio.limits import ServerLimits
from conductor_trio.net.relay import STREAM_LOST
from conductor_trio.server.routing.routes import Route
from conductor_trio.server.sessions.channel import ControlChannel


@attrs.define(eq=False)
class Link:
    """A client that answers, and since when nothing has gone through its route, to a ping's interval exactly."""

    route: Route
    active_at: float

    def measure_idle(self, now: float) -> float:
        """Return for how many seconds nothing has gone through at trio's time `now`."""
        traffic = self.route.traffic
        if traffic.was_active:
            traffic.was_active = False
            self.active_at = now
        return round(now - self.active_at, 1)


class LinkMonitor:
    """Asks all clients that answer whether they are there, and tells them when the server is about to go."""

    def __init__(self, limits: ServerLimits, draining: trio.Event) -> None:
        self._limits = limits
        self._draining = draining
        self._links: dict[ControlChannel, Link] = {}

    @contextlib.contextmanager
    def watching(self, channel: ControlChannel, route: Route) -> Iterator[None]:
        """Within, the route's session ends when the client has not been heard for `ping_timeout`."""
        self._links[channel] = Link(route, trio.current_time())
        route.session.deadline = channel.last_heard + self._limits.ping_timeout
        if self._draining.is_set():
            self._tell(channel, Move())
        try:
            yield
        finally:
            del self._links[channel]

    async def run(self) -> None:
        """Ask and tell, for ever."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._ping)
            await self._draining.wait()
            for channel in list(self._links):
                self._tell(channel, Move())

    async def _ping(self) -> None:
        while True:
            await trio.sleep(self._limits.ping_interval)
            now = trio.current_time()
            for channel, link in list(self._links.items()):
                session = link.route.session
                session.deadline = channel.last_heard + self._limits.ping_timeout
                if session.deadline > now:
                    self._tell(channel, Ping(idle=link.measure_idle(now), visitors=link.route.connections))

    def _tell(self, channel: ControlChannel, event: ServerEvent) -> None:
        with contextlib.suppress(*STREAM_LOST):  # the session finds out by itself
            channel.send_event(event)
