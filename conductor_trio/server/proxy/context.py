"""What the data plane shares: its routes' runtimes, the parked requests, idle connections, counters, settings."""

from __future__ import annotations

import math
import re
from collections import Counter

import attrs
import trio

from conductor_trio.access.origins import Policy
from conductor_trio.http1.cookies import CookieRules
from conductor_trio.http1.fields import FieldRules
from conductor_trio.http1.forwarded import Peer
from conductor_trio.http1.reader import RequestReader
from conductor_trio.http1.request import RequestHead
from conductor_trio.limits.constants import LOOP_DELAY_GOAL, MAX_TOLD_PATH
from conductor_trio.limits.linger import BRIEF_LINGER
from conductor_trio.limits.server import ServerLimits
from conductor_trio.log import Logger
from conductor_trio.net.poller import EdgePoller
from conductor_trio.net.shared_buffer import SharedBuffer
from conductor_trio.net.stream import Stream
from conductor_trio.server.accounts.counters import Counters
from conductor_trio.server.accounts.fairness import Payer
from conductor_trio.server.accounts.gradual import GradualWork
from conductor_trio.server.accounts.holdings import Holdings
from conductor_trio.server.accounts.ledger import Ledger
from conductor_trio.server.accounts.places import NoPlace, Places
from conductor_trio.server.accounts.throttle import GuessThrottle
from conductor_trio.server.leases.leases import Leases
from conductor_trio.server.leases.terms import Kind
from conductor_trio.server.observability.observer import Observer
from conductor_trio.server.observability.request_watch import RequestWatch
from conductor_trio.server.orders.networks import Networks
from conductor_trio.server.orders.orders import Orders
from conductor_trio.server.proxy.activity import Activity
from conductor_trio.server.proxy.banishment import Banishment
from conductor_trio.server.proxy.date import DateMemo
from conductor_trio.server.proxy.disconnect import DisconnectMonitor
from conductor_trio.server.proxy.idle import IdleReaper
from conductor_trio.server.proxy.parking import ParkedRequests
from conductor_trio.server.proxy.ports import Console, OtherProcesses, OwnPages
from conductor_trio.server.proxy.route_runtime import RouteRuntime, RouteRuntimes
from conductor_trio.server.routing.ports import SessionReports
from conductor_trio.server.routing.routes import Route
from conductor_trio.server.routing.table import RouteTable
from conductor_trio.server.settings import ServerSettings


@attrs.define(kw_only=True, eq=False)
class ProxyContext:
    """The data plane's state; one for each server, handed to `serve_visitor`."""

    settings: ServerSettings
    log: Logger
    routes: RouteTable
    ledger: Ledger
    holdings: Holdings
    counters: Counters
    reports: SessionReports
    own_pages: OwnPages
    poller: EdgePoller
    observer: Observer = attrs.field(factory=Observer)
    orders: Orders = attrs.field(factory=Orders)
    console: Console | None = None  #: the operator's dashboard, where there is one
    others: OtherProcesses | None = None
    leases: Leases | None = attrs.field(default=None, init=False)  #: of limits that other processes have a part of
    limits: ServerLimits = attrs.field(init=False)  #: those in force
    policy: Policy = attrs.field(init=False)
    trusted: Networks = attrs.field(init=False)  #: of front proxies, whose forwarding fields are believed
    status_from: Networks | None = attrs.field(init=False)  #: who may see the status; None is everybody
    runtimes: RouteRuntimes = attrs.field(init=False)
    banishment: Banishment = attrs.field(init=False)
    parked: ParkedRequests = attrs.field(init=False)
    idle: IdleReaper = attrs.field(init=False)
    places: Places = attrs.field(init=False)
    disconnects: DisconnectMonitor = attrs.field(init=False)
    gradual: GradualWork = attrs.field(factory=GradualWork, init=False)
    throttle: GuessThrottle = attrs.field(init=False)
    activity: Activity = attrs.field(factory=Activity, init=False)
    date: DateMemo = attrs.field(factory=DateMemo, init=False)
    _turned_away: Counter[NoPlace] = attrs.field(factory=Counter, init=False)  # since that was told
    _told_until: float = attrs.field(default=-math.inf, init=False)
    #: For bytes that go from one socket to another between two waits; what cannot go on at once is copied out.
    buffer: SharedBuffer = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        settings, limits = self.settings, self.settings.limits
        self.limits = limits
        self.policy = Policy(
            allowed_origins=frozenset(origin.lower().encode() for origin in settings.allowed_origins),
            sso=settings.sso,
        )
        rules = FieldRules(
            identity=frozenset() if settings.sso is None else settings.sso.fields,
            cookies=CookieRules(tuple(name.encode() for name in settings.stripped_cookies)),
        )
        self.trusted = Networks(settings.trusted_proxies)
        self.status_from = Networks(settings.status_from) if settings.status_from else None
        self.runtimes = RouteRuntimes(
            self.routes, self.ledger, self.holdings, limits, self.poller, self.gradual, rules
        )
        self.banishment = Banishment(self.orders, self.runtimes, self.gradual)
        self.parked = ParkedRequests(limits, self.activity.note_change, self.gradual)
        # After the runtimes: a request that wakes finds its session's.
        self.routes.subscribe(self.parked.hear)
        self.idle = IdleReaper(limits, self.gradual)
        self.places = Places(limits, self.idle)
        self.disconnects = DisconnectMonitor(limits)
        self.throttle = GuessThrottle(limits)
        self.buffer = SharedBuffer(limits.splice_size, limits.max_pipes)

    def share(self, leases: Leases) -> None:
        """Have limits hold for this process and others together, from the beginning."""
        self.places.share(leases)
        self.runtimes.share(leases)
        self.holdings.share(leases)
        self.leases = leases

    async def obtain_connection(self, runtime: RouteRuntime | None) -> bool:
        """Have other processes leave us some of a session's where ours are used up; returns whether they do."""
        if self.leases is None or runtime is None:
            return False
        is_of_route = runtime.under_way >= runtime.max_connections
        kind, name = (Kind.ROUTE, runtime.route_id) if is_of_route else (Kind.USER, runtime.owner.user)
        return await self.leases.obtain(kind, name)

    @property
    def visitors(self) -> int:
        """How many connections of visitors there are."""
        return self.places.total

    @property
    def known_memory(self) -> int:
        """What visitors' connections and sessions take, in bytes, about."""
        return (self.visitors + len(self.runtimes)) * self.limits.memory_of_one + self.holdings.total

    @property
    def exchanges(self) -> int:
        """How many requests are being served or are parked, tunnels apart."""
        return self.activity.exchanges

    @property
    def draining(self) -> trio.Event:
        """Set once the server is about to end."""
        return self.activity.draining

    def find_route(self, request: RequestHead) -> Route | None:
        """Return what is known of the host name that a request is addressed to."""
        return self.routes.find(request.authority.host) if request.authority else None

    def name_route(self, request: RequestHead) -> str:
        """Return the first host name of a request's route, which stays with its session from link to link."""
        route = self.find_route(request)
        return "" if route is None else route.hosts[0]

    def status(self) -> dict[str, int]:
        """Return what ``/_conductor/status`` shows, by our own names."""
        delay, others = self.ledger.fairness.delay, self.others
        active, counters = self.activity.exchanges + self.activity.tunnels, self.counters
        if others is not None:
            active += others.now("exchanges") + others.now("tunnels")
            counters = others.counters(counters)
        return attrs.asdict(counters) | {
            "requests_active": active,
            "routes_total": len(self.routes),
            "routes_detached": self.routes.detached,
            "requests_parked": self.parked.total,
            "loop_delay_peak": round(delay.longest * 1e6),
            "loop_delays": delay.longer_than[LOOP_DELAY_GOAL],
        }

    def note_turned_away(self, reason: NoPlace) -> None:
        """Let the operator know now and then that visitors are turned away."""
        self._turned_away[reason] += 1
        now = trio.current_time()
        if now >= self._told_until:
            self._told_until = now + self.limits.turned_away_interval
            self.log.warning(
                "cannot_accept",
                error="too many connections",
                visitors=self.places.total,
                turned_away={reason.name.lower(): count for reason, count in self._turned_away.items()},
            )
            self._turned_away.clear()

    async def run(self) -> None:
        """Look after all connections, for ever."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.poller.run, name="poller")
            nursery.start_soon(self.ledger.fairness.turnstile.run, name="turnstile")
            nursery.start_soon(self.disconnects.run, name="disconnect monitor")
            nursery.start_soon(self.ledger.fairness.run, name="fairness")
            nursery.start_soon(self.own_pages.run, name="session pages")
            nursery.start_soon(self.observer.run, name="observer")
            nursery.start_soon(self.idle.run, name="idle reaper")
            nursery.start_soon(self.gradual.run, name="gradual work")
            nursery.start_soon(self.runtimes.pool_expiry.run, name="pool expiry")

    def begin_drain(self) -> None:
        """Let no connection wait long for another request; answers say that they are the last."""
        self.activity.is_draining = True
        self.activity.draining.set()
        self.idle.begin_drain()

    async def finish(self) -> None:
        """End what runs, and return once what applications have said was passed on, or that takes too long."""
        with trio.move_on_after(BRIEF_LINGER.linger_total_timeout):
            await self.runtimes.finish()

    async def wait_parked_empty(self) -> None:
        """Return once no request waits for a session."""
        await self.parked.wait_empty()

    async def wait_exchanges_settled(self) -> None:
        """Return once no request is being served but those that wait for a session; tunnels may go on."""
        while self.activity.exchanges > self.parked.total:
            await self.activity.wait_change()


@attrs.define(kw_only=True, eq=False)  # one a connection, and frozen costs a call a field
class ExchangeContext:
    """What all exchanges of one visitor's connection share; `requests` is the reader of what `visitor` sends.

    `payer` has the account of whom the connection works for at this moment.
    """

    proxy: ProxyContext
    peer: Peer
    visitor: Stream
    requests: RequestReader
    payer: Payer
    watch: RequestWatch
    is_counted: bool = attrs.field(default=False, init=False)  #: the request that is under way

    def begin_request(self, *, is_mine: bool) -> None:
        """Another request begins; `is_mine` tells that no other process will answer it."""
        self.is_counted = is_mine
        if is_mine:
            self.proxy.counters.requests_total += 1

    def count_request(self) -> None:
        """Count the request that is under way, unless it is counted: once, by the process that answers it."""
        if not self.is_counted:
            self.begin_request(is_mine=True)

    def report_failure(self, route_id: str, failure: str, request: RequestHead) -> None:
        """Have the session's owner see how the application failed at a request; its query may be a secret."""
        path = re.split("[?;]", request.target.decode("ascii"), maxsplit=1)[0]
        where = f"{request.method.decode('ascii')} {path[:MAX_TOLD_PATH]}"
        self.proxy.reports.note_failure(route_id, failure, where)
