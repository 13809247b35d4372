"""Connections to relay sockets: opened, kept between exchanges, and closed with their route."""

from __future__ import annotations

import heapq
import itertools
from collections import deque
from collections.abc import Hashable

import trio

from conductor_trio.errors import UpstreamFault, UpstreamUnavailable
from conductor_trio.limits.server import ServerLimits
from conductor_trio.net.poller import EdgePoller, PolledStream
from conductor_trio.net.stream import SocketStream
from conductor_trio.net.unix import connect_unix_socket
from conductor_trio.server.accounts.holdings import Holdings


class UpstreamPool:
    """The connections to one relay socket.

    Each stands for a round trip through SSH, so one whose exchange ended cleanly is kept for the next. Whoever
    takes one owns it until it is given back or closed. `expiry` closes those that were kept too long.
    """

    def __init__(
        self,
        path: str,
        limits: ServerLimits,
        expiry: PoolExpiry,
        poller: EdgePoller,
        holdings: Holdings,
        account: Hashable,
    ) -> None:
        self.path = path
        self._poller = poller
        self._limits = limits
        self._expiry = expiry
        self._holdings = holdings
        self._account = account  # of what an application does not take
        self._idle: deque[tuple[float, SocketStream]] = deque()
        self._is_scheduled = False  # for a look by `expiry`
        self._is_open = True

    def take_idle(self) -> SocketStream | None:
        """Return a kept connection that the application has not ended, the latest first; None without one."""
        while self._idle:
            _, stream = self._idle.pop()
            if stream.is_quiet():
                return stream
            stream.close()
        return None

    async def open(self) -> SocketStream:
        """Return a fresh connection; raises `UpstreamUnavailable`."""
        if not self._is_open:
            raise UpstreamUnavailable("the session ended", fault=UpstreamFault.SESSION_ENDED)
        sock = await connect_unix_socket(self.path, connect_timeout=self._limits.connect_timeout)
        if sock.fileno() >= self._limits.max_upstream_descriptor:
            sock.close()
            raise UpstreamUnavailable("no descriptor is left for it", status=503)
        stream = PolledStream(sock, self._poller, send_timeout=self._limits.send_stall_timeout)
        stream.on_held = self._holdings.open(self._name_account, stream.close).change
        return stream

    def _name_account(self) -> Hashable:
        return self._account

    def give_back(self, stream: SocketStream) -> None:
        """Keep a connection on which both messages ended cleanly."""
        if not self._is_open or stream.fileno() >= self._limits.max_kept_descriptor:
            stream.close()
            return
        self._idle.append((trio.current_time(), stream))
        if len(self._idle) > self._limits.max_idle_upstreams:
            self._idle.popleft()[1].close()
        if not self._is_scheduled:
            self._is_scheduled = True
            self._expiry.schedule(self, self._idle[0][0])

    def expire(self, kept_before: float) -> float | None:
        """Close what was kept before that time (Trio's), and return since when the oldest is; None without one."""
        while self._idle and self._idle[0][0] <= kept_before:
            self._idle.popleft()[1].close()
        self._is_scheduled = bool(self._idle)
        return self._idle[0][0] if self._idle else None

    def close(self) -> None:
        """Close what is kept, and refuse to open or keep more."""
        self._is_open = False
        while self._idle:
            self._idle.pop()[1].close()


class PoolExpiry:
    """Looks at every pool that keeps connections when its oldest has been kept for `upstream_idle_timeout`."""

    def __init__(self, limits: ServerLimits) -> None:
        self._timeout = limits.upstream_idle_timeout
        # A pool is in here at most once, by the time since which its oldest connection was kept when it came in.
        self._scheduled: list[tuple[float, int, UpstreamPool]] = []
        self._numbers = itertools.count()  # so that pools need no order
        self._has_scheduled = trio.Event()

    def schedule(self, pool: UpstreamPool, kept_since: float) -> None:
        """Look at a pool in time; what it keeps was kept later than all that is scheduled first."""
        heapq.heappush(self._scheduled, (kept_since, next(self._numbers), pool))
        self._has_scheduled.set()

    async def run(self) -> None:
        """Close connections that were kept too long, for ever."""
        while True:
            if not self._scheduled:
                self._has_scheduled = trio.Event()
                await self._has_scheduled.wait()
            await trio.sleep_until(self._scheduled[0][0] + self._timeout)
            kept_before = trio.current_time() - self._timeout
            while self._scheduled and self._scheduled[0][0] <= kept_before:
                _, _, pool = heapq.heappop(self._scheduled)
                if (oldest := pool.expire(kept_before)) is not None:
                    self.schedule(pool, oldest)
