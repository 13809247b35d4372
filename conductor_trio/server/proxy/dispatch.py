"""Dispatch of a request: `routing.ruling` rules on it, and one match carries the ruling out."""

from __future__ import annotations

import time
from http import HTTPStatus
from time import perf_counter
from typing import assert_never

import attrs
import trio

from conductor_trio.access.admission import read_identity
from conductor_trio.access.cors import Preflight
from conductor_trio.access.decisions import (
    Forward,
    OwnPage,
    RedeemOneTimeLink,
    Respond,
    ServerOptions,
    SessionPage,
    SessionSocket,
    SiteLogo,
    StatusPage,
    SubmitToken,
)
from conductor_trio.access.grants import Identity, Principal, SingleSignOn
from conductor_trio.access.reasons import BadRequest, Reason, Refusal, UpstreamFailed
from conductor_trio.errors import UpstreamFault, UpstreamUnavailable
from conductor_trio.http1.request import RequestHead
from conductor_trio.pages.documents import OPTIONS_ANSWER, Document, logo_document, preflight_answer, status_page
from conductor_trio.server.accounts.guessing import ConnectionGuard
from conductor_trio.server.proxy.answering import Answerer
from conductor_trio.server.proxy.cancellation import CancelReason
from conductor_trio.server.proxy.context import ExchangeContext
from conductor_trio.server.proxy.disconnect import DisconnectListener
from conductor_trio.server.proxy.exchange.exchange import Exchange, Outcome
from conductor_trio.server.proxy.exchange.failures import RequestAborted
from conductor_trio.server.proxy.exchange.handed import Handed
from conductor_trio.server.proxy.exchange.request_pump import RequestPump
from conductor_trio.server.proxy.exchange.tunnel import Tunnel
from conductor_trio.server.proxy.ports import Console, ConsoleVisit, SessionView
from conductor_trio.server.proxy.route_runtime import RouteRuntime
from conductor_trio.server.routing.routes import Route
from conductor_trio.server.routing.ruling import Load, Park, may_repeat, rule

Served = Outcome | Tunnel | SessionView | ConsoleVisit | Handed


@attrs.define(eq=False)
class Dispatcher:
    """Dispatches the requests of one visitor's connection, one after the other."""

    _context: ExchangeContext
    listener: DisconnectListener  #: another one after the connection was cancelled and goes on
    _answerer: Answerer
    _guard: ConnectionGuard = attrs.field(init=False)
    _exchange: Exchange | None = attrs.field(default=None, init=False)  # that is under way
    _repeats: int = attrs.field(default=0, init=False)  # of its request

    def __attrs_post_init__(self) -> None:
        self._guard = self._make_guard()

    def _make_guard(self) -> ConnectionGuard:
        return ConnectionGuard(self._context.peer, self._context.proxy.throttle, self._context.proxy.name_route)

    async def dispatch(self, request: RequestHead, *, is_complete: bool) -> Served:
        """Have a request ruled on, again when it was parked and its session is another, and carry that out.

        `is_complete` tells that its end has been read.
        """
        proxy = self._context.proxy
        if proxy.console is not None and proxy.console.is_for(request):
            return await self._consult(proxy.console, request, is_complete=is_complete)
        https = self._context.peer.uses_https(request)
        guard = self._guard
        while True:
            route = proxy.find_route(request)
            runtime = None if route is None else proxy.runtimes.get(route.id)
            load = Load.NORMAL if runtime is None else runtime.load
            identity = None if proxy.policy.sso is None else self._read_identity(request, route, proxy.policy.sso)
            ruling = rule(
                request, route, load, proxy.policy, guard, https=https, now=time.time(), identity=identity
            )
            match ruling:
                case Forward():
                    assert runtime is not None and route is not None, "a session that is here has a runtime"
                    guard.note_admitted(route.hosts[0], ruling.principal, route.access.owner_hash)
                    if self._context.watch.names_visitors:
                        self._context.watch.note_admitted(route, ruling.principal, request, self._identity)
                    return await self._forward(request, runtime, ruling, is_complete=is_complete)
                case Respond(reason=Refusal.TOO_MANY_CONNECTIONS) if await proxy.obtain_connection(runtime):
                    continue
                case Park(otherwise=otherwise):
                    assert route is not None
                    if await self._park(request, route):
                        continue
                    ruling = otherwise
            return await self._answer(ruling, request, route, is_complete=is_complete, https=https)

    async def _consult(self, console: Console, request: RequestHead, *, is_complete: bool) -> Served:
        """Have the operator's dashboard answer; nothing that is addressed to it reaches a session."""
        context = self._context
        account = context.payer.account = context.proxy.ledger.visitor(context.peer.visitor_address(request))
        await account.wait_turn()
        answer = console.answer(request, context.requests, context.peer, self._guard)
        if isinstance(answer, ConsoleVisit):
            context.payer.account = context.proxy.ledger.user(answer.user)
            return answer
        return await self._answerer.show(answer, request, is_complete=is_complete)

    def _read_identity(self, request: RequestHead, route: Route | None, sso: SingleSignOn) -> Identity | None:
        """Return who the visitor is, where a trusted front proxy says so."""
        identity = None
        if route is not None and self._context.peer.is_trusted:
            identity = read_identity(request, sso, route.user, needs_groups=route.access.names_groups)
        self.listener.connection.identity = None if identity is None else identity.user
        return identity

    @property
    def _identity(self) -> str | None:
        """Who the visitor is, by the request that is under way."""
        return self.listener.connection.identity

    @property
    def user(self) -> str | None:
        """Whose session the request goes to that is under way; None for none, or where that is not known yet."""
        return None if self._exchange is None else self._exchange.user

    @property
    def held_size(self) -> int:
        """About how many bytes are in memory of the request that is under way."""
        return 0 if self._exchange is None else self._exchange.held_size

    async def _answer(
        self,
        ruling: Respond | OwnPage,
        request: RequestHead,
        route: Route | None,
        *,
        is_complete: bool,
        https: bool,
    ) -> Served:
        """Answer a request in the application's place, or show a page of the server's own."""
        context, answerer = self._context, self._answerer
        self._name_visitor(ruling, request, route)
        await self._charge_answer(ruling, request, route)
        match ruling:
            case Respond(reason=reason, failed_token=failed_token):
                if failed_token and route is not None:
                    self._note_wrong_token(request, route)
                return await answerer.answer(reason, request, is_complete=is_complete)
            case StatusPage() | SiteLogo() | ServerOptions() | Preflight():
                document = self._find_document(ruling, request)
                if document is None:
                    return await answerer.answer(Refusal.NO_PAGE, request, is_complete=is_complete)
                return await answerer.show(document, request, is_complete=is_complete)
        assert route is not None, "the other pages are those of a session"
        match ruling:
            case RedeemOneTimeLink():
                reason = context.proxy.own_pages.redeem(ruling, route, https=https)
                return await answerer.answer(reason, request, is_complete=is_complete)
            case SessionPage(may_command=may_command):
                page = context.proxy.own_pages.show_session(route, request, may_command=may_command)
                return await answerer.show(page, request, is_complete=is_complete)
            case SubmitToken():
                return await self._log_in(request, route, https=https)
            case SessionSocket(principal=principal):
                address = context.peer.visitor_address(request)
                if not context.proxy.own_pages.has_room(route, address):
                    return await answerer.answer(Refusal.TOO_MANY_PAGES, request, is_complete=is_complete)
                rest = context.requests.take_trailing_data()
                return SessionView(
                    request=request,
                    trailing_data=rest,
                    route=route,
                    principal=principal,
                    address=address,
                    identity=self._identity,
                )
        assert_never(ruling)

    def _find_document(
        self, page: StatusPage | SiteLogo | ServerOptions | Preflight, request: RequestHead
    ) -> Document | None:
        """Return a page that is the server's as a whole; None where there is none, or not for this visitor."""
        proxy = self._context.proxy
        match page:
            case StatusPage():
                return status_page(proxy.status()) if self._may_see_status(request) else None
            case SiteLogo():
                logo = proxy.settings.site.logo
                return None if logo is None else logo_document(logo)
            case ServerOptions():
                return OPTIONS_ANSWER
            case Preflight():
                return preflight_answer(page)
        assert_never(page)

    def _name_visitor(self, ruling: Respond | OwnPage, request: RequestHead, route: Route | None) -> None:
        """Have it told who gets an answer, if anybody wants to know."""
        watch = self._context.watch
        if route is None or not watch.names_visitors:
            return
        match ruling:
            case SessionPage(principal=principal) | SessionSocket(principal=principal):
                watch.note_admitted(route, principal, request, self._identity)
            case _:
                watch.note_route(route)

    def _may_see_status(self, request: RequestHead) -> bool:
        status_from = self._context.proxy.status_from
        return status_from is None or status_from.has(self._context.peer.visitor_address(request))

    def _note_wrong_token(self, request: RequestHead, route: Route) -> None:
        proxy = self._context.proxy
        proxy.reports.note_wrong_token(route.id)
        proxy.observer.note_wrong_token(route, self._context.peer.visitor_address(request))

    async def _charge_answer(self, ruling: Respond | OwnPage, request: RequestHead, route: Route | None) -> None:
        """Charge what is answered here to whom it is for, and wait while they are over their share."""
        context, ledger = self._context, self._context.proxy.ledger
        if route is not None and isinstance(ruling, SessionPage | SessionSocket):  # for one who was let in
            runtime = context.proxy.runtimes.get(route.id)
            account = ledger.user(route.user) if runtime is None else runtime.account
        else:
            account = ledger.visitor(context.peer.visitor_address(request))
        context.payer.account = account
        await account.wait_turn()

    async def _log_in(self, request: RequestHead, route: Route, *, https: bool) -> Outcome:
        context = self._context
        answer, has_read_all = await context.proxy.own_pages.log_in(
            context.visitor, context.requests, request, route, self._guard, https=https
        )
        if answer.failed_token:
            self._note_wrong_token(request, route)
        return await self._answerer.answer(answer.reason, request, is_complete=has_read_all)

    async def _park(self, request: RequestHead, route: Route) -> bool:
        """Wait until it is settled whether the session comes back; False where that takes too long."""
        began = perf_counter()
        try:
            return await self._wait_settled(request, route)
        finally:
            self._context.watch.note_parked(perf_counter() - began)

    async def _wait_settled(self, request: RequestHead, route: Route) -> bool:
        parked = self._context.proxy.parked
        size = len(self._context.requests.trailing_data) + request.size
        if not request.body.is_empty:
            # It stays with the visitor, and so nothing is read that would tell of an abort.
            return await parked.wait(route, size)
        async with self.listener:
            return await parked.wait(route, size)

    async def _forward(
        self, request: RequestHead, runtime: RouteRuntime, admitted: Forward, *, is_complete: bool
    ) -> Served:
        context = self._context
        context.payer.account = runtime.account
        runtime.heads.remember_request(request)
        pump = RequestPump(context, runtime, request, is_complete)
        exchange = self._exchange = Exchange(context, runtime, request, self.listener, admitted.principal, pump)
        try:
            outcome = await exchange.run(drop_authorization=admitted.drop_authorization)
        except UpstreamUnavailable as error:
            if exchange.is_harmless:
                await self._wait_for_loss(runtime, admitted.principal, error)
            self._exchange = None
            if exchange.is_finishing:
                return await self._answerer.answer_last(Refusal.SESSION_CUT, request)
            may_repeat = exchange.is_harmless
            return await self._answer_failure(
                error, runtime, request, is_complete=pump.is_complete, may_repeat=may_repeat
            )
        except RequestAborted as error:
            self._exchange = None
            return await self._answerer.answer_last(BadRequest(status=error.status), request)
        self._exchange = None
        runtime.failing_since = None
        return outcome

    async def _answer_failure(
        self,
        error: UpstreamUnavailable,
        runtime: RouteRuntime,
        request: RequestHead,
        *,
        is_complete: bool,
        may_repeat: bool,
    ) -> Served:
        """Answer a request that the application did not; `may_repeat` tells that it could be sent once more."""
        reason = self._note_failure(error, runtime, request)
        return await self._answerer.answer(reason, request, is_complete=is_complete)

    async def _wait_for_loss(
        self, runtime: RouteRuntime, principal: Principal, error: UpstreamUnavailable
    ) -> None:
        """Give the session a moment to hear that its link is lost, too; then this is cancelled."""
        limits = self._context.proxy.limits
        is_refused = error.fault is UpstreamFault.RELAY_SOCKET and error.status == HTTPStatus.BAD_GATEWAY
        runtime.enter(self.listener.connection, principal)
        try:
            await trio.sleep(limits.refused_relay_delay if is_refused else limits.lost_link_delay)
        finally:
            runtime.leave(self.listener.connection)

    def _note_failure(self, error: UpstreamUnavailable, runtime: RouteRuntime, request: RequestHead) -> Reason:
        host = request.authority.host if request.authority else None
        self._context.proxy.log.debug("upstream_unavailable", host=host, error=str(error))
        if error.fault is not UpstreamFault.SESSION_ENDED:  # which has its own event
            self._context.report_failure(runtime.route_id, f"Answered {error.status}: {error}", request)
        runtime.failing_since = since = runtime.failing_since or time.time()
        return UpstreamFailed(status=error.status, fault=error.fault, what=str(error), since=since)

    def finish(self, reason: CancelReason) -> bool:
        """The session is over: whether what is under way for it may go on for a while."""
        return self._exchange is not None and self._exchange.finish(reason)

    def take_interrupted(self) -> RequestHead | None:
        """Return the request whose session has just ended under it, if it is to be dispatched once more."""
        exchange = self._exchange
        if exchange is None or not may_repeat(
            self._context.proxy.find_route(exchange.request),
            is_harmless=exchange.is_harmless,
            repeats=self._repeats,
            max_repeats=self._context.proxy.limits.max_repeats,
        ):
            return None
        self._repeats += 1
        return exchange.request

    def begin(self, *, is_mine: bool = True) -> None:
        """Begin with another request; `is_mine` tells that no other process will answer and count it."""
        self._repeats = 0
        self._context.begin_request(is_mine=is_mine)

    @property
    def cut_outcome(self) -> Outcome:
        """How to end the visitor's connection at this moment, without another word."""
        return Outcome.CLOSE if self._exchange is None else self._exchange.cut_outcome

    async def finish_cut(self) -> Outcome:
        """Make an end of what was cancelled under way with its session: tell the visitor, if that is possible."""
        exchange = self._exchange
        if exchange is None or exchange.has_begun:
            return self.cut_outcome
        return await self._answerer.answer_last(Refusal.SESSION_CUT, exchange.request)
