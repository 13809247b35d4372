"""The console: what is addressed to the dashboard's host name, answered; implements `proxy.ports.Console`."""

from __future__ import annotations

import os
import time
from typing import assert_never

import attrs
import trio
from trio_websocket import ConnectionClosed

from conductor_trio.access.admission import read_groups, read_identity
from conductor_trio.access.guard import TokenGuard
from conductor_trio.access.login_link import OWN_PREFIX
from conductor_trio.access.reasons import Redirect, Refusal
from conductor_trio.http1.forwarded import Peer
from conductor_trio.http1.reader import RequestReader
from conductor_trio.http1.request import RequestHead
from conductor_trio.limits.server import ServerLimits
from conductor_trio.net.stream import STREAM_LOST, Stream
from conductor_trio.pages.answers import Hop, Reply, answer_for
from conductor_trio.pages.documents import Document
from conductor_trio.server.admin.description import Describer
from conductor_trio.server.admin.entries import Entries, Entry
from conductor_trio.server.admin.operators import Operator
from conductor_trio.server.admin.service import AdminService
from conductor_trio.server.dashboard.acts import Acts
from conductor_trio.server.dashboard.desk import Desk
from conductor_trio.server.dashboard.entrance import (
    Leave,
    OpenSocket,
    Redeem,
    Ruling,
    ShowPage,
    TellEntry,
    WrongLink,
    format_cookie,
    rule_entrance,
)
from conductor_trio.server.dashboard.overview import Overview
from conductor_trio.server.dashboard.page import DashboardPage
from conductor_trio.server.dashboard.sessions import SessionTable
from conductor_trio.server.dashboard.updates import Updates
from conductor_trio.server.observability.observer import Observer
from conductor_trio.server.orders.networks import Networks
from conductor_trio.server.orders.orders import Orders
from conductor_trio.server.ownpages.websocket import accept_websocket
from conductor_trio.server.proxy.context import ProxyContext
from conductor_trio.server.proxy.ports import ConsoleVisit
from conductor_trio.server.sessions.context import SessionContext
from conductor_trio.server.sessions.owner_service import OwnerService
from conductor_trio.server.settings import ServerSettings

_NO_ROUTE = answer_for(Refusal.NO_ROUTE)
_TOO_MANY = Reply(status=429, topic="dashboard_too_many", hop=Hop.DASHBOARD)
_ENTERED = Document(content_type=b"text/plain", body=b"")
#: What is the server's at any host name.
_OF_ALL_HOSTS = (b"*", OWN_PREFIX.encode() + b"/status")


@attrs.define(eq=False, kw_only=True)
class Console:
    """One server's."""

    settings: ServerSettings
    entries: Entries
    updates: Updates
    acts: Acts
    orders: Orders
    observer: Observer
    draining: trio.Event
    _page: DashboardPage = attrs.field(init=False)
    _networks: Networks | None = attrs.field(init=False)
    _hosts: frozenset[str] = attrs.field(init=False)
    _open: dict[trio.CancelScope, str] = attrs.field(factory=dict, init=False)  # dashboards, and from where

    def __attrs_post_init__(self) -> None:
        self._page = DashboardPage(site=self.settings.site.name)
        self._hosts = frozenset(self.settings.reserved_hosts)
        self._networks = Networks(self.settings.admin_networks) if self.settings.admin_networks else None
        self.orders.subscribe(self._note_orders)

    @property
    def _limits(self) -> ServerLimits:
        return self.settings.limits

    def is_for(self, request: RequestHead) -> bool:
        """Whether a request is addressed to the dashboard."""
        authority = request.authority
        return (
            authority is not None
            and authority.host in self._hosts
            and request.target.partition(b"?")[0] not in _OF_ALL_HOSTS
        )

    def answer(
        self, request: RequestHead, requests: RequestReader, peer: Peer, guard: TokenGuard
    ) -> Reply | Document | ConsoleVisit:
        """Return what becomes of a request that is; who may not reach it finds nothing there."""
        address = peer.visitor_address(request)
        if self._networks is not None and not self._networks.has(address):
            return _NO_ROUTE
        https, now = peer.uses_https(request), time.time()
        self.entries.expire(now)
        identified = self._identify(request, peer, now)
        ruling = rule_entrance(request, self.entries, identified, guard, https=https, now=now)
        return self._carry_out(ruling, request, requests, address, https=https, now=now)

    def _identify(self, request: RequestHead, peer: Peer, now: float) -> Entry | None:
        """Return the entry of an operator, where a trusted front proxy says that the visitor is one."""
        sso = self.settings.sso
        if sso is None or not sso.admin_groups or not peer.is_trusted:
            return None
        identity = read_identity(request, sso, None)
        if identity is None or read_groups(request, sso).isdisjoint(sso.admin_groups):
            return None
        return self.entries.admit(Operator(uid=None, user=identity.user), now)

    def _carry_out(
        self,
        ruling: Ruling,
        request: RequestHead,
        requests: RequestReader,
        address: str,
        *,
        https: bool,
        now: float,
    ) -> Reply | Document | ConsoleVisit:
        match ruling:
            case Reply():
                return ruling
            case WrongLink(reply=reply):
                self.observer.note_wrong_link(self.settings.reserved_hosts[0], address)
                return reply
            case Redeem(share=share):
                token, entry = self.entries.redeem(share, now)
                self._note("dashboard_entered", entry, address, by_link=True)
                return answer_for(
                    Redirect(where="/", set_cookies=(format_cookie(token, https=https),), status=303)
                )
            case Leave(entry=entry):
                if entry is not None:
                    self.entries.end(entry)
                    self._note("dashboard_left", entry, address)
                return answer_for(Redirect(where="/", set_cookies=(format_cookie("", https=https),), status=303))
            case ShowPage(entry=entry):
                return self._page.render(entry.proof, entry.operator.user)
            case TellEntry():
                return _ENTERED
            case OpenSocket(entry=entry):
                if not self.updates.has_room:
                    return _TOO_MANY
                return ConsoleVisit(
                    entry=entry,
                    user=entry.operator.user,
                    request=request,
                    trailing_data=requests.take_trailing_data(),
                    address=address,
                )
        assert_never(ruling)

    def _note(self, event: str, entry: Entry, address: str, **fields: object) -> None:
        told = attrs.evolve(entry.operator, address=address).describe()
        self.observer.audit.note(event, **told, **fields)

    async def serve(self, visitor: Stream, visit: ConsoleVisit) -> None:
        """Serve a dashboard's WebSocket until the operator goes, or may not stay."""
        entry = visit.entry
        assert isinstance(entry, Entry)
        if entry.token_hash is None:  # nothing else tells that somebody came by the single sign-on
            self._note("dashboard_entered", entry, visit.address, by_link=False)
        async with trio.open_nursery() as nursery:
            scope = nursery.cancel_scope
            scope.deadline = trio.current_time() + max(0.0, entry.expires - time.time())
            entry.watch(scope.cancel)
            self._open[scope] = visit.address
            try:
                nursery.start_soon(self._watch_end, scope, name="dashboard's end")
                connection = await accept_websocket(
                    nursery, visitor, visit.request, visit.trailing_data, self._limits
                )
                if connection is not None:
                    desk = Desk(
                        connection=connection,
                        entry=entry,
                        operator=attrs.evolve(entry.operator, address=visit.address),
                        updates=self.updates,
                        acts=self.acts,
                    )
                    await desk.run(nursery)
            except (ConnectionClosed, trio.TooSlowError, *STREAM_LOST):
                pass
            finally:
                del self._open[scope]
                entry.unwatch(scope.cancel)
            scope.cancel()

    def _note_orders(self) -> None:
        """Close what is open from a network that is blocked now."""
        networks = self.orders.networks
        for scope, address in self._open.items():
            if networks and networks.has(address):
                scope.cancel()

    async def _watch_end(self, scope: trio.CancelScope) -> None:
        """Cancel `scope` once the server is about to end."""
        await self.draining.wait()
        scope.cancel()


async def run_console(console: Console | None) -> None:
    """Make what the dashboards show, for ever, where there can be any."""
    if console is not None:
        await console.updates.run()


def open_console(
    settings: ServerSettings,
    service: AdminService,
    owners: OwnerService,
    sessions: SessionContext,
    proxy: ProxyContext,
    entries: Entries | None,
) -> Console | None:
    """Have a server's console answer, wired to what it shows; without entries there is none."""
    if entries is None:
        return None
    routes, ledger, recent = sessions.routes, sessions.ledger, proxy.observer.audit.recent
    assert recent is not None, "the audit log keeps what is shown"
    console = proxy.console = Console(
        settings=settings,
        entries=entries,
        updates=Updates(
            SessionTable(Describer(sessions, owners), routes),
            Overview(service, ledger.traffic, ledger.fairness.delay),
            recent,
            ledger.user(os.geteuid()),
        ),
        acts=Acts(service, routes, settings.limits),
        orders=sessions.orders,
        observer=proxy.observer,
        draining=proxy.draining,
    )
    return console
