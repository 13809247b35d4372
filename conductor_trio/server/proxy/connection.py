"""One visitor's connection, kept alive: its requests, one after the other, and the connection's end."""

from __future__ import annotations

import contextlib
from collections.abc import Hashable, Iterator
from typing import assert_never

import attrs
import trio

from conductor_trio.access.planted_cookies import read_cookie_bomb
from conductor_trio.access.reasons import BadRequest, Refusal
from conductor_trio.errors import RemoteProtocolError
from conductor_trio.http1.forwarded import Peer
from conductor_trio.http1.reader import RequestReader
from conductor_trio.http1.request import RequestHead
from conductor_trio.limits.constants import HEAD_COPIES, MAX_CANCELLED_AT_ONCE, TURN_SPACING
from conductor_trio.net.stream import Stream
from conductor_trio.server.accounts.fairness import Payer
from conductor_trio.server.accounts.holdings import Holding
from conductor_trio.server.accounts.places import Place
from conductor_trio.server.observability.request_watch import RequestWatch
from conductor_trio.server.proxy.answering import Answerer
from conductor_trio.server.proxy.cancellation import SESSION_OVER, CancelReason, ConnectionScope
from conductor_trio.server.proxy.context import ExchangeContext, ProxyContext
from conductor_trio.server.proxy.disconnect import DisconnectListener
from conductor_trio.server.proxy.dispatch import Dispatcher, Served
from conductor_trio.server.proxy.exchange.exchange import Outcome
from conductor_trio.server.proxy.exchange.handed import Handed, relay_handed
from conductor_trio.server.proxy.exchange.tunnel import Tunnel, relay_tunnel
from conductor_trio.server.proxy.ports import ConsoleVisit, SessionView


@attrs.define(eq=False)
class VisitorConnection:
    """The requests of one visitor, one after the other.

    All that runs on it runs in one scope, which whoever cancels it knows: whatever the reason, the connection ends
    with it, unless its session ended under a request that may go on with the next one.
    """

    stream: Stream
    peer: Peer
    context: ProxyContext
    payer: Payer
    _place: Place | None = None  # where it is counted
    _requests: RequestReader = attrs.field(init=False)
    _scope: ConnectionScope = attrs.field(init=False)
    _watch: RequestWatch = attrs.field(init=False)
    _answerer: Answerer = attrs.field(init=False)
    _dispatcher: Dispatcher = attrs.field(init=False)
    _visit: Place | None = attrs.field(default=None, init=False)  # of whom a front proxy names
    _holding: Holding | None = attrs.field(default=None, init=False)  # once it holds something
    _user: str | None = attrs.field(default=None, init=False)  # whose tunnel or page it has become
    _speaks_http: bool = attrs.field(default=True, init=False)  # and no other protocol, that of a tunnel or a page

    def __attrs_post_init__(self) -> None:
        self._requests = self._make_reader()
        self._watch = self.context.observer.watch_requests(self.peer, self.context.ledger.fairness)
        shared = ExchangeContext(
            proxy=self.context,
            peer=self.peer,
            visitor=self.stream,
            requests=self._requests,
            payer=self.payer,
            watch=self._watch,
        )
        self._scope = ConnectionScope(place=self._place, address=self.peer.address)
        self._answerer = Answerer(shared)
        self._dispatcher = self._make_dispatcher(shared)
        self._scope.finish = self._dispatcher.finish

    def _make_reader(self) -> RequestReader:
        return RequestReader(self.context.limits, self.context.runtimes.heads)

    def _make_dispatcher(self, shared: ExchangeContext) -> Dispatcher:
        return Dispatcher(shared, self._listen(), self._answerer)

    def _listen(self) -> DisconnectListener:
        return self.context.disconnects.listener(self.stream, self._requests, self._scope, self._holding_request)

    @property
    def is_between_requests(self) -> bool:
        """Whether the visitor has sent no more than whole requests, and so waits for a word of ours."""
        return self._speaks_http and self._requests.is_between_messages

    @property
    def has_asked(self) -> bool:
        """Whether the visitor has sent a request."""
        return self._requests.has_read_any

    @property
    def cut_outcome(self) -> Outcome:
        """How to end the connection at this moment, without another word."""
        return self._dispatcher.cut_outcome

    @property
    def gave_way(self) -> bool:
        """Whether it was told to end because others need places."""
        return self._scope.gave_way

    def let_go(self) -> None:
        """Break the cycles of references, once all is over, so that its memory is free now, for the next one.

        It would wait for the collector otherwise, with that of hundreds of others.
        """
        self._scope.finish = None
        if self._holding is not None and not self._holding.size:  # or a listener that is being stopped has some
            self._holding = None
        del self._dispatcher

    def hold(self, count: int) -> None:
        """Have it known that so many bytes more, or less, are in memory for this visitor."""
        if self._holding is None:
            self._holding = self.context.holdings.open(self._find_account, self._close_greedy)
        self._holding.change(count)

    def _close_greedy(self) -> None:
        self._scope.cancel(CancelReason.GREEDY)

    def _find_account(self) -> Hashable | None:
        """Return who is charged: the session's user, or else the visitor's address."""
        user = self._user or self._dispatcher.user
        if user is not None:
            return ("user", user)
        place = self._visit or self._place
        return None if place is None else place.name

    @contextlib.contextmanager
    def _holding_request(self) -> Iterator[None]:
        """Have it known within what is in memory of a request that takes long."""
        size = self._dispatcher.held_size + len(self._requests.trailing_data)
        self.hold(size)
        try:
            yield
        finally:
            self.hold(-size)

    async def run(self) -> Outcome:
        """Serve requests until the connection is to be closed; returns how: `CLOSE` or `ABORT`."""
        interrupted: RequestHead | None = None
        try:
            while True:
                with self._scope.scope:
                    return await self._serve_all(interrupted)
                reason = self._scope.reason
                interrupted = self._dispatcher.take_interrupted() if reason in SESSION_OVER else None
                if interrupted is None:
                    return await self._finish_cancelled(reason)
                self._scope = ConnectionScope(place=self._place, address=self._scope.address)
                self._scope.finish = self._dispatcher.finish
                self._dispatcher.listener = self._listen()
        finally:
            self._watch.end(is_cut=True)

    async def _finish_cancelled(self, reason: CancelReason) -> Outcome:
        match reason:
            case CancelReason.VISITOR_GONE | CancelReason.SERVER_ENDS | CancelReason.BLOCKED:
                return self.cut_outcome
            case CancelReason.GREEDY:
                return Outcome.ABORT
            case CancelReason.IDLE | CancelReason.DRAINED | CancelReason.GAVE_WAY:
                return Outcome.CLOSE
            case CancelReason.LATE_HEAD:
                return await self._refuse(408)
            case CancelReason.SESSION_ENDED | CancelReason.LINK_LOST | CancelReason.ACCESS_ENDED:
                return await self._dispatcher.finish_cut()
        assert_never(reason)

    async def _serve_all(self, interrupted: RequestHead | None) -> Outcome:
        """Serve the request whose session ended, if any, and all that follow."""
        served: Served = Outcome.KEEP
        if interrupted is not None:
            served = await self._serve(interrupted, is_complete=True)
        while served is Outcome.KEEP:
            served = await self._serve_next()
        if isinstance(served, Outcome):
            return served
        self._speaks_http = False
        if isinstance(served, Handed):
            try:
                return await relay_handed(served, self.stream, self.context)
            finally:
                self._end_visit()
        # Out of the frames of the request: nothing of it stays in memory for as long as this takes.
        activity = self.context.activity
        activity.tunnels += 1
        self._watch.note_upgrade()
        try:
            match served:
                case Tunnel():
                    self._user = served.runtime.owner.user
                    await relay_tunnel(served, self.stream, self.context, self._scope, self._watch)
                case SessionView():
                    await self._serve_view(served)
                case ConsoleVisit():
                    await self._serve_console(served)
        finally:
            activity.tunnels -= 1
            self._watch.end()
            self._end_visit()
        return Outcome.CLOSE

    async def _serve_next(self) -> Served:
        try:
            request = await self._next_request()
        except RemoteProtocolError as error:
            return await self._refuse(error.status)
        if request is None:
            return Outcome.CLOSE
        self._watch.begin(request)
        self._dispatcher.begin()
        return await self._serve(request, is_complete=False)

    async def _serve(self, request: RequestHead, *, is_complete: bool) -> Served:
        activity = self.context.activity
        activity.exchanges += 1
        try:
            refusal = self._begin_visit(request) if self.peer.is_trusted else None
            if refusal is not None and await self.context.places.obtain(self._scope.address, is_new=False):
                refusal = self._begin_visit(request)
            networks = self.context.orders.networks
            if networks and networks.has(self._scope.address or ""):
                refusal = Refusal.NETWORK_BLOCKED
            if refusal is not None:
                return await self._answerer.answer(refusal, request, is_complete=is_complete)
            served = await self._dispatcher.dispatch(request, is_complete=is_complete)
        except BaseException:
            self._end_visit()
            raise
        finally:
            activity.end_exchange()
        if isinstance(served, Outcome):
            self._watch.end(is_cut=served is Outcome.ABORT)
            self._end_visit()
        return served

    def _begin_visit(self, request: RequestHead) -> Refusal | None:
        """Count the request for whom a front proxy names; returns why not where they have no place."""
        address = self._scope.address = self.peer.forwarded_address(request)
        if address is not None:
            self._visit = self.context.places.enter(address)
        return None if address is None or self._visit is not None else Refusal.TOO_MANY_FROM_ADDRESS

    def _end_visit(self) -> None:
        if self._visit is not None:
            self.context.places.exit(self._visit)
            self._visit = None

    async def _serve_view(self, view: SessionView) -> None:
        """Serve one who looks at the session's page, until they go, or their access ends."""
        onlookers = self.context.runtimes.onlookers
        self._user = view.route.user
        onlookers.enter(self._scope, view.route, view.principal)
        size = view.request.size + len(view.trailing_data)
        self.hold(size)
        try:
            stream, pages = self.stream, self.context.own_pages
            await pages.serve_session_socket(
                stream, view.request, view.trailing_data, view.route, view.principal, view.address, view.identity
            )
        finally:
            self.hold(-size)
            onlookers.leave(self._scope, view.route)

    async def _serve_console(self, visit: ConsoleVisit) -> None:
        """Serve an operator's dashboard, until they go, or may not stay."""
        console = self.context.console
        assert console is not None, "who else has let them in?"
        self._user = visit.user
        size = visit.request.size + len(visit.trailing_data)
        self.hold(size)
        try:
            await console.serve(self.stream, visit)
        finally:
            self.hold(-size)

    async def _refuse(self, status: int) -> Outcome:
        """Answer a request that could not be read."""
        self._dispatcher.begin()
        if status == 431 and (bomb := read_cookie_bomb(self._requests.trailing_data)) is not None:
            return await self._answerer.disarm(bomb)
        return await self._answerer.answer_last(BadRequest(status=status), None)

    async def _next_request(self) -> RequestHead | None:
        """Return the next head; None when the visitor has gone.

        The connection is cancelled when the visitor is idle too long, or late with its head.
        """
        event = self._requests.next_event()
        if event is None:
            self.context.idle.begin(self._scope)
            try:
                event = await self._receive_head()
            finally:
                self.context.idle.end(self._scope)
        assert event is None or isinstance(event, RequestHead)
        return event

    async def _receive_head(self) -> RequestHead | None:
        requests = self._requests
        while requests.is_between_messages:
            data = await self._receive(self.context.limits.head_read_size)
            if not data:
                return None
            requests.receive_data(data)
            event = requests.next_event()
            if event is not None:
                assert isinstance(event, RequestHead)
                if self.context.activity.is_draining:
                    self._scope.clear_deadline()
                return event
        return await self._receive_rest_of_head()

    async def _receive_rest_of_head(self) -> RequestHead:
        """Return the head that has begun; what has come of it is held for the visitor meanwhile."""
        context, requests, scope = self.context, self._requests, self._scope
        activity = context.activity
        context.idle.end(scope)
        later = activity.partial_heads // MAX_CANCELLED_AT_ONCE * TURN_SPACING  # not all in one turn
        scope.set_deadline(trio.current_time() + context.limits.head_timeout + later, CancelReason.LATE_HEAD)
        activity.partial_heads += 1
        held = 0
        try:
            while True:
                size = len(requests.trailing_data)
                self.hold(HEAD_COPIES * size - held)
                held = HEAD_COPIES * size
                # One byte more than a head may have tells that it is too large.
                most = max(1, context.limits.max_head + 1 - size)
                data = await self._receive(min(context.limits.head_read_size, most))
                if not data:
                    raise RemoteProtocolError("the connection ended inside a head")
                requests.receive_data(data)
                event = requests.next_event()
                if event is not None:
                    assert isinstance(event, RequestHead)
                    scope.clear_deadline()
                    return event
                await self.payer.account.wait_share()  # a head that comes byte by byte is work, too
        finally:
            activity.partial_heads -= 1
            self.hold(-held)

    async def _receive(self, size: int) -> bytes:
        data = await self.stream.receive_some(size)
        # Bytes that came just as the time was over are too late: a request begun now would be cut off.
        await trio.lowlevel.checkpoint_if_cancelled()
        return data
