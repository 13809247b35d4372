"""One visitor's connection: each request is read, routed, authorised and answered or forwarded on its own."""

from __future__ import annotations

import time

import attrs
import trio

from conductor_trio.access.decide import (
    Answer,
    Forward,
    RedeemOneTimeLink,
    ServerOptions,
    ShowSession,
    StatusPage,
    SubmitToken,
    decide,
)
from conductor_trio.errors import RemoteProtocolError, UpstreamFault, UpstreamUnavailable
from conductor_trio.http1.body import EndOfMessage
from conductor_trio.http1.forwarded import Peer
from conductor_trio.http1.reader import RequestReader
from conductor_trio.http1.request import RequestHead
from conductor_trio.limits import ServerLimits
from conductor_trio.net.relay import linger
from conductor_trio.net.stream import Stream
from conductor_trio.pages import answers
from conductor_trio.pages.answers import Document, Reply
from conductor_trio.server.ownpages.login import LoginPage
from conductor_trio.server.ownpages.session_socket import serve_session_socket
from conductor_trio.server.proxy.context import Gateway
from conductor_trio.server.proxy.disconnect import DisconnectListener
from conductor_trio.server.proxy.exchange import Exchange, Outcome, RequestAborted
from conductor_trio.server.proxy.tunnel import Tunnel, relay_tunnel
from conductor_trio.server.routing.routes import (
    DetachedRoute,
    KnownRoute,
    Route,
    Tombstone,
)

# A link that is lost again and again is not to keep a visitor for ever.
_MAX_REPEATS = 3


@attrs.define(eq=False)
class VisitorConnection:
    """The requests of one visitor, one after the other."""

    stream: Stream
    peer: Peer
    gateway: Gateway
    requests: RequestReader = attrs.field(init=False)
    _watch: DisconnectListener = attrs.field(init=False)
    #: Cancelled when the visitor is idle too long or late with a head, when it aborts, and when the session ends
    #: to which its exchange or tunnel goes. One for all, since whatever it is, the connection ends with it.
    _scope: trio.CancelScope = attrs.field(init=False)
    _exchange: Exchange | None = attrs.field(default=None, init=False)
    _is_tunnel: bool = attrs.field(default=False, init=False)
    _repeats: int = attrs.field(default=0, init=False)

    def __attrs_post_init__(self) -> None:
        self.requests = RequestReader(self.gateway.limits)
        self._renew_scope()

    def _renew_scope(self) -> None:
        self._scope = trio.CancelScope()
        self._watch = self.gateway.aborts.watch(self.stream, self.requests, self._scope)

    async def run(self) -> Outcome:
        """Serve requests until the connection is to be closed; returns how: `CLOSE` or `ABORT`."""
        interrupted: RequestHead | None = None
        while True:
            with self._scope:
                return await self._serve_all(interrupted)
            interrupted = self._interrupted_request()
            if interrupted is None:
                return await self._finish_cancelled()
            self._renew_scope()

    async def _serve_all(self, interrupted: RequestHead | None) -> Outcome:
        """Serve the request whose link was lost, if any, and all that follow."""
        outcome = Outcome.KEEP
        while outcome is Outcome.KEEP:
            result = await self._serve_next(interrupted)
            interrupted = None
            outcome = await self._carry(result) if isinstance(result, Tunnel) else result
        return outcome

    def _interrupted_request(self) -> RequestHead | None:
        """Return the request of an exchange that ended with its session, if it may go on with the next one."""
        exchange = self._exchange
        if exchange is None or exchange.route.is_open or self._watch.has_aborted or not exchange.may_repeat:
            return None
        if self._repeats >= _MAX_REPEATS or isinstance(self._find_route(exchange.request), Tombstone | None):
            return None
        self._repeats += 1
        return exchange.request

    async def _finish_cancelled(self) -> Outcome:
        if self._watch.has_aborted:
            return Outcome.ABORT
        if self._exchange is not None:
            if self._exchange.has_begun:
                return self._exchange.cut_outcome
            answer = answers.broken(502, "The session ended before the application answered.")
            await self._answer(answer, self._exchange.request, keep_alive=False)
            await lingering_close(self.stream, self.gateway.limits)
        elif not self._is_tunnel and not self.requests.is_between_messages:
            return await self._refuse(408)
        return Outcome.CLOSE

    async def _serve_next(self, interrupted: RequestHead | None) -> Outcome | Tunnel:
        counters = self.gateway.counters
        request = interrupted
        if request is None:
            try:
                request = await self._next_request()
            except RemoteProtocolError as error:
                return await self._refuse(error.status)
            if request is None:
                return Outcome.CLOSE
            counters.requestTotal += 1
            self._repeats = 0
        counters.requestActive += 1
        try:
            return await self._serve(request, is_complete=interrupted is not None)
        finally:
            counters.requestActive -= 1

    async def _refuse(self, status: int) -> Outcome:
        """Answer a request that could not be read."""
        self.gateway.counters.requestTotal += 1
        await self._answer(answers.bad_request(status), None, keep_alive=False)
        await lingering_close(self.stream, self.gateway.limits)
        return Outcome.CLOSE

    async def _next_request(self) -> RequestHead | None:
        """Return the next head; None when the visitor has gone.

        The connection's scope is cancelled when the visitor is idle too long, or late with its head.
        """
        event = self.requests.next_event()
        if event is None:
            self.gateway.begin_idle(self._scope)
            try:
                event = await self._receive_head()
            finally:
                self.gateway.end_idle(self._scope)
        assert event is None or isinstance(event, RequestHead)
        return event

    async def _receive_head(self) -> RequestHead | None:
        limits = self.gateway.limits
        has_deadline = False
        while True:
            if not has_deadline and not self.requests.is_between_messages:
                has_deadline = True
                self.gateway.end_idle(self._scope)
                self._scope.deadline = trio.current_time() + limits.head_timeout
            data = await self.stream.receive_some(limits.read_size)
            # Bytes that came just as the time was over are too late: a request begun now would be cut off.
            await trio.lowlevel.checkpoint_if_cancelled()
            if not data:
                if self.requests.is_between_messages:
                    return None
                raise RemoteProtocolError("the connection ended inside a head")
            self.requests.receive_data(data)
            event = self.requests.next_event()
            if event is not None:
                assert isinstance(event, RequestHead)
                if has_deadline or self.gateway.is_draining:
                    self._scope.deadline = float("inf")
                return event

    def _find_route(self, request: RequestHead) -> KnownRoute | None:
        return self.gateway.routes.find(request.authority.host) if request.authority else None

    async def _serve(self, request: RequestHead, *, is_complete: bool) -> Outcome | Tunnel:
        """Decide what becomes of a request, again when a session that it waited for is back.

        `is_complete` tells that its end has been read.
        """
        gateway = self.gateway
        while True:
            route = self._find_route(request)
            access = route.access if route else None
            https = self.peer.uses_https(request)
            decision = decide(request, access, gateway.policy, https=https, now=time.time())
            answer: Reply | Document
            match decision:
                case Forward():
                    if isinstance(route, DetachedRoute):
                        if await self._park(request, route):
                            continue
                        answer = answers.lost(route.since)
                        return await self._answer_and_go_on(answer, request, is_complete=is_complete)
                    assert isinstance(route, Route)
                    if route.starting_since is not None:
                        answer = answers.starting(route.starting_since)
                    elif route.connections >= gateway.limits.max_route_connections:
                        gateway.counters.limited += 1
                        answer = answers.broken(503, "This application has too many connections at this moment.")
                    else:
                        return await self._forward(request, route, decision, is_complete=is_complete)
                case ShowSession(is_live=True, grant=grant):
                    assert isinstance(route, Route | DetachedRoute)
                    return await self._show_live(request, route, grant)
                case SubmitToken() | RedeemOneTimeLink() | ShowSession():
                    assert isinstance(route, Route | DetachedRoute)
                    pages = LoginPage(gateway, route, self.requests, self.stream)
                    answer = await pages.answer(request, decision, https=https)
                    is_complete |= pages.has_read_all
                    if pages.failed_token:
                        await self._slow_down(request, route)
                case StatusPage():
                    answer = answers.counters(gateway.status())
                case ServerOptions():
                    answer = answers.OPTIONS_ANSWER
                case Answer(reply=reply, failed_token=failed_token):
                    if failed_token:
                        await self._slow_down(request, route)
                    answer = reply
                    if reply is answers.NO_ROUTE and isinstance(route, Tombstone):
                        answer = answers.ended(route.since)
            return await self._answer_and_go_on(answer, request, is_complete=is_complete)

    async def _park(self, request: RequestHead, lost: DetachedRoute) -> bool:
        """Wait until it is settled whether the session comes back; False where that takes too long."""
        size = len(self.requests.trailing_data) + request.size
        if not request.body.is_empty:
            # It stays with the visitor, and so nothing is read that would tell of an abort.
            return await self.gateway.parked.wait(lost, size)
        async with self._watch:
            return await self.gateway.parked.wait(lost, size)

    async def _show_live(self, request: RequestHead, route: Route | DetachedRoute, grant: str) -> Outcome:
        self._is_tunnel = True
        self.gateway.tunnels += 1
        if isinstance(route, Route):
            route.watch(self._scope, grant)
        try:
            rest = self.requests.trailing_data
            await serve_session_socket(self.stream, request, rest, route, grant, self.gateway)
        finally:
            self.gateway.tunnels -= 1
            if isinstance(route, Route):
                route.unwatch(self._scope)
        return Outcome.CLOSE

    async def _slow_down(self, request: RequestHead, route: KnownRoute | None) -> None:
        hosts = route.hosts if isinstance(route, Route | DetachedRoute) else None
        wait = self.gateway.throttle.count_failure(
            (self.peer.visitor_address(request), hosts), trio.current_time()
        )
        if isinstance(route, Route | DetachedRoute):
            route.event_log.note("A wrong token was shown")
        if wait:
            await trio.sleep(wait)

    async def _forward(
        self, request: RequestHead, route: Route, decision: Forward, *, is_complete: bool
    ) -> Outcome | Tunnel:
        exchange = self._exchange = Exchange(
            gateway=self.gateway,
            route=route,
            peer=self.peer,
            visitor=self.stream,
            requests=self.requests,
            request=request,
            watch=self._watch,
            request_complete=is_complete,
            grant=decision.grant,
        )
        outcome: Outcome | Tunnel
        try:
            outcome = await exchange.run(drop_authorization=decision.drop_authorization)
            route.failing_since = None
        except UpstreamUnavailable as error:
            if exchange.may_repeat:
                await self._wait_for_loss(route)
            self.gateway.log.debug("upstream_unavailable", host=route.hosts[:1], error=str(error))
            route.failing_since = route.failing_since or time.time()
            answer = answers.broken(error.status, _upstream_text(error), since=route.failing_since)
            keep = exchange.request_complete and request.keep_alive and not self.gateway.is_draining
            await self._answer(answer, request, keep_alive=keep)
            outcome = Outcome.KEEP if keep else Outcome.CLOSE
        except RequestAborted as error:
            await self._answer(answers.bad_request(error.status), request, keep_alive=False)
            outcome = Outcome.CLOSE
        self._exchange = None
        if outcome is Outcome.CLOSE and not exchange.request_complete:
            await lingering_close(self.stream, self.gateway.limits)
        return outcome

    async def _wait_for_loss(self, route: Route) -> None:
        """Give the session a moment to hear that its link is lost, too; then this is cancelled."""
        route.enter(self._scope)
        try:
            await trio.sleep(self.gateway.limits.lost_link_delay)
        finally:
            route.leave(self._scope)

    async def _carry(self, tunnel: Tunnel) -> Outcome:
        """Carry the new protocol's bytes both ways, those that came early first, until its end."""
        self._is_tunnel = True
        await relay_tunnel(tunnel, self.stream, self.gateway, self._scope)
        return Outcome.CLOSE

    async def _answer_and_go_on(
        self, answer: Reply | Document, request: RequestHead, *, is_complete: bool
    ) -> Outcome:
        """Answer a request without its body having been read; go on only if there is none."""
        if not is_complete and request.body.is_empty:
            is_complete = isinstance(self.requests.next_event(), EndOfMessage)
        keep_alive = is_complete and request.keep_alive and not self.gateway.is_draining
        await self._answer(answer, request, keep_alive=keep_alive)
        if keep_alive:
            # The answer may have cost no wait; a flood of such requests must not hold up the others.
            await trio.lowlevel.checkpoint()
            return Outcome.KEEP
        if not is_complete:
            await lingering_close(self.stream, self.gateway.limits)
        return Outcome.CLOSE

    async def _answer(self, answer: Reply | Document, request: RequestHead | None, *, keep_alive: bool) -> None:
        self.gateway.counters.count_answer(answer.status)
        await self.stream.send_all(
            answers.format_answer(answer, request, keep_alive=keep_alive, date=self.gateway.date())
        )


async def lingering_close(stream: Stream, limits: ServerLimits) -> None:
    """End our direction, and read away for a while what the visitor still sends."""
    await linger(
        stream,
        linger_timeout=limits.linger_timeout,
        max_bytes=limits.max_linger,
        read_size=limits.read_size,
    )


def _upstream_text(error: UpstreamUnavailable) -> str:
    if error.fault is UpstreamFault.RELAY_SOCKET:
        return f"The way to the application, its relay socket, failed: {error.what}."
    return error.what
