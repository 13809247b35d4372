"""Connections to one relay socket: opened, kept between exchanges, and closed with their route."""

from __future__ import annotations

from collections import deque

import trio

from conductor_trio.errors import UpstreamFault, UpstreamUnavailable
from conductor_trio.limits import ServerLimits
from conductor_trio.net.stream import SocketStream
from conductor_trio.net.unix import connect_unix


class UpstreamPool:
    """The connections to one relay socket.

    Each stands for a round trip through SSH, so one whose exchange ended cleanly is kept for the next. Whoever
    takes one owns it until it is given back or closed.
    """

    def __init__(self, path: str, limits: ServerLimits) -> None:
        self.path = path
        self._limits = limits
        self._idle: deque[tuple[float, SocketStream]] = deque()
        self._has_idle = trio.Event()
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
            raise UpstreamUnavailable("The session ended.", fault=UpstreamFault.SESSION_ENDED)
        return await connect_unix(
            self.path,
            connect_timeout=self._limits.connect_timeout,
            send_timeout=self._limits.send_stall_timeout,
        )

    def give_back(self, stream: SocketStream) -> None:
        """Keep a connection on which both messages ended cleanly."""
        if not self._is_open:
            stream.close()
            return
        self._idle.append((trio.current_time(), stream))
        if len(self._idle) > self._limits.max_idle_upstreams:
            self._idle.popleft()[1].close()
        self._has_idle.set()

    async def run_expiry(self) -> None:
        """Close connections that were kept too long, for ever."""
        while True:
            if not self._idle:
                self._has_idle = trio.Event()
                await self._has_idle.wait()
                continue  # what woke us may be in use again
            await trio.sleep_until(self._idle[0][0] + self._limits.upstream_idle_timeout)
            while self._idle and self._idle[0][0] <= trio.current_time() - self._limits.upstream_idle_timeout:
                self._idle.popleft()[1].close()

    def close(self) -> None:
        """Close what is kept, and refuse to open or keep more."""
        self._is_open = False
        while self._idle:
            self._idle.pop()[1].close()
