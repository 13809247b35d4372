"""What all sessions share: limits, the route table, the ledger, records, and pings."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

import attrs
import trio

from conductor_trio.access.grants import SingleSignOn
from conductor_trio.limits.constants import MAX_TOLD_AT_ONCE
from conductor_trio.limits.server import ServerLimits
from conductor_trio.log import Logger
from conductor_trio.net.poller import EdgePoller
from conductor_trio.pages.house import House
from conductor_trio.server.accounts.counters import Counters
from conductor_trio.server.accounts.holdings import Holdings
from conductor_trio.server.accounts.ledger import Ledger
from conductor_trio.server.observability.audit_log import AuditLog
from conductor_trio.server.orders.orders import Orders
from conductor_trio.server.routing.hostnaming import HostNaming
from conductor_trio.server.routing.table import RouteTable
from conductor_trio.server.sessions.liveness import LinkMonitor
from conductor_trio.server.sessions.operator.ends import OperatorEnds
from conductor_trio.server.sessions.operator.notices import Notices
from conductor_trio.server.sessions.records import SessionRecords
from conductor_trio.server.sessions.standing import StandingSessions
from conductor_trio.server.settings import ServerSettings, UserRules


@attrs.frozen(kw_only=True, eq=False)
class SessionContext:
    """The control plane's; one for each server."""

    limits: ServerLimits
    rules: UserRules
    log: Logger
    routes: RouteTable
    naming: HostNaming
    ledger: Ledger
    counters: Counters
    records: SessionRecords
    standing: StandingSessions
    links: LinkMonitor
    holdings: Holdings  #: the data plane's, too
    poller: EdgePoller  #: the data plane's, which runs it
    orders: Orders  #: the data plane's, too
    notices: Notices
    house: House
    ends: OperatorEnds
    sign_on: SingleSignOn | None = None  #: of the front proxy's
    audit: AuditLog = attrs.field(factory=AuditLog)
    #: Each is awaited before a client hears that something is so.
    awaited: list[Callable[[], Awaitable[None]]] = attrs.field(factory=list)

    async def wait_known(self) -> None:
        """Return once what is so now is so at every process that serves visitors."""
        for wait in self.awaited:
            await wait()

    @classmethod
    def make(
        cls,
        settings: ServerSettings,
        log: Logger,
        *,
        routes: RouteTable,
        ledger: Ledger,
        counters: Counters,
        poller: EdgePoller,
        audit: AuditLog | None = None,
        orders: Orders | None = None,
    ) -> SessionContext:
        """Return a control plane without sessions; raises `ConfigError` for patterns that do not go together."""
        orders = Orders() if orders is None else orders
        records = SessionRecords(routes)
        return cls(
            limits=settings.limits,
            rules=settings.rules,
            log=log,
            routes=routes,
            naming=HostNaming.parse(settings.patterns, settings.reserved_hosts),
            ledger=ledger,
            counters=counters,
            records=records,
            standing=StandingSessions(routes),
            links=LinkMonitor(settings.limits),
            holdings=Holdings(settings.limits),
            poller=poller,
            audit=audit or AuditLog(),
            orders=orders,
            notices=Notices(orders),
            house=settings.site,
            sign_on=settings.sso,
            ends=OperatorEnds(orders.ends, routes, records, settings.limits),
        )

    def begin_drain(self) -> None:
        """Tell clients to register elsewhere: the server is about to end."""
        self.links.begin_drain()

    async def run(self) -> None:
        """Ask clients whether they are there, and end what is over, for ever; the server's nursery cancels it."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.links.run, name="pings to clients")
            nursery.start_soon(self.notices.run, name="notices to clients")
            nursery.start_soon(self._run_expiry, name="expiry of routes")

    async def _run_expiry(self) -> None:
        while True:
            await trio.sleep(self.limits.expiry_interval)
            self.ends.expire()
            for block in self.orders.expire(time.time()):
                self.log.info("block_over", **{block.kind.value: block.name})
            for number, _ in enumerate(self.routes.expire_in_steps(), start=1):
                if not number % MAX_TOLD_AT_ONCE:
                    await trio.lowlevel.checkpoint()
