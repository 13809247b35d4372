"""What all visitors' connections and all sessions share: settings, routes, counters, and whether we drain."""

from __future__ import annotations

import ipaddress
import time
from email.utils import formatdate

import attrs
import trio

from conductor_trio.access.decide import Policy
from conductor_trio.access.hostnames import (
    HostPattern,
    check_patterns,
    parse_pattern,
    user_label,
)
from conductor_trio.limits import ServerLimits
from conductor_trio.log import Logger
from conductor_trio.server.accounts.counters import Counters
from conductor_trio.server.accounts.fairness import Fairness
from conductor_trio.server.accounts.throttle import TokenThrottle
from conductor_trio.server.proxy.disconnect import DisconnectMonitor
from conductor_trio.server.proxy.parking import ParkedRequests
from conductor_trio.server.routing.table import RouteTable
from conductor_trio.server.sessions.liveness import LinkMonitor
from conductor_trio.server.settings import ServerSettings

_IDLE_LOOKS = 16  # at all idle connections, within the time that one may be idle

IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network


@attrs.define(kw_only=True, eq=False)
class Gateway:
    """The server's state; one for each server."""

    settings: ServerSettings
    log: Logger
    patterns: tuple[HostPattern, ...]
    policy: Policy
    trusted: tuple[IPNetwork, ...]
    throttle: TokenThrottle
    aborts: DisconnectMonitor
    limits: ServerLimits = attrs.field(init=False)  #: those in force
    counters: Counters = attrs.field(factory=Counters)
    routes: RouteTable = attrs.field(init=False)
    fairness: Fairness = attrs.field(init=False)
    parked: ParkedRequests = attrs.field(init=False)
    links: LinkMonitor = attrs.field(init=False)
    visitors: int = 0
    tunnels: int = 0
    is_draining: bool = False
    draining: trio.Event = attrs.field(factory=trio.Event)  #: set with `is_draining`, which costs less to ask
    _idle: dict[trio.CancelScope, int] = attrs.field(factory=dict, init=False)  # since which look at them all
    _idle_look: int = attrs.field(default=0, init=False)
    #: For bytes that go from one socket to another between two waits; what cannot go on at once is copied out.
    buffer: memoryview = attrs.field(init=False)
    _date: tuple[int, bytes] = attrs.field(default=(0, b""), init=False)

    def __attrs_post_init__(self) -> None:
        self.limits = self.settings.limits
        self.buffer = memoryview(bytearray(self.limits.splice_size))
        self.routes = RouteTable(self.limits)
        self.fairness = Fairness(self.limits)
        self.parked = ParkedRequests(self.limits)
        self.links = LinkMonitor(self.limits, self.draining)

    @classmethod
    def from_settings(cls, settings: ServerSettings, log: Logger) -> Gateway:
        """Return a gateway without routes; raises `ConfigError` for patterns that do not go together."""
        patterns = tuple(parse_pattern(text) for text in settings.patterns)
        check_patterns(patterns)
        return cls(
            settings=settings,
            log=log,
            patterns=patterns,
            policy=Policy(
                allowed_origins=frozenset(origin.lower().encode() for origin in settings.allowed_origins)
            ),
            trusted=tuple(ipaddress.ip_network(network) for network in settings.trusted_proxies),
            throttle=TokenThrottle(settings.limits),
            aborts=DisconnectMonitor(settings.limits),
        )

    @property
    def exchanges(self) -> int:
        """How many requests are being served, tunnels apart."""
        return self.counters.requestActive - self.tunnels

    def status(self) -> dict[str, int]:
        """Return what ``/_conductor/status`` shows."""
        return attrs.asdict(self.counters) | {
            "routesTotal": len(self.routes),
            "routesLost": self.routes.lost,
            "requestsHeld": self.parked.total,
        }

    def url_hosts(self, key: str, user: str) -> tuple[str, ...]:
        """Return the host names of a user's key as clients are told them, one for each pattern."""
        return tuple(pattern.format_url_host(key, user_label(user)) for pattern in self.patterns)

    def is_trusted(self, address: str) -> bool:
        """Whether a peer's address is one of the front proxies'."""
        if not self.trusted:
            return False
        peer = ipaddress.ip_address(address)
        return any(peer in network for network in self.trusted)

    def date(self) -> bytes:
        """Return the time for a Date field (RFC 9110 section 5.6.7), made once a second."""
        now = int(time.time())
        if now != self._date[0]:
            self._date = (now, formatdate(now, usegmt=True).encode())
        return self._date[1]

    def begin_idle(self, scope: trio.CancelScope) -> None:
        """Have a connection's scope cancelled when it waits too long for a request, less long when draining."""
        self._idle[scope] = self._idle_look
        if self.is_draining:
            scope.deadline = trio.current_time() + self.limits.drain_idle_timeout

    def end_idle(self, scope: trio.CancelScope) -> None:
        """Leave a connection's scope alone: a request has come."""
        self._idle.pop(scope, None)

    async def run(self) -> None:
        """Look after all connections, for ever."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.aborts.run)
            nursery.start_soon(self.routes.run_expiry)
            nursery.start_soon(self.links.run)
            nursery.start_soon(self.fairness.run)
            nursery.start_soon(self._run_idle_expiry)

    async def _run_idle_expiry(self) -> None:
        """Cancel the scopes of connections that have been idle too long, for ever.

        One look at all now and then costs each request less than a deadline of its own would.
        """
        while True:
            await trio.sleep(self.limits.idle_timeout / _IDLE_LOOKS)
            self._idle_look += 1
            for scope, since in self._idle.items():  # in the order of their coming
                if since >= self._idle_look - _IDLE_LOOKS:
                    break
                scope.cancel()

    def begin_drain(self) -> None:
        """Let no connection wait long for another request; answers say that they are the last.

        A request may be on its way on a kept connection, so that closing it at once would lose it.
        """
        self.is_draining = True
        self.draining.set()
        for scope in self._idle:
            scope.deadline = trio.current_time() + self.limits.drain_idle_timeout
