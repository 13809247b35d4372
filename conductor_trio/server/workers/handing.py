"""Handing requests over, at the worker's end: what it cannot answer, and tokens that it has not seen before.

Tokens that are shown are compared here only once the control process has: how many may be is counted there alone.
So a request with fields that nobody has sent here before is handed over, and comes back where the visitor may in.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence

import attrs
import trio

from conductor_trio.access.decisions import Forward, OwnPage, Respond
from conductor_trio.access.grants import Access
from conductor_trio.access.guard import Guess
from conductor_trio.access.reasons import Refusal, TooManyGuesses
from conductor_trio.errors import UpstreamFault, UpstreamUnavailable
from conductor_trio.http1.request import RequestHead
from conductor_trio.limits.workers import MAX_REPLY_SIZE
from conductor_trio.net.poller import PolledStream
from conductor_trio.net.stream import STREAM_LOST, SocketStream
from conductor_trio.net.unix import connect_unix_socket
from conductor_trio.server.accounts.guessing import ConnectionGuard
from conductor_trio.server.proxy.connection import VisitorConnection
from conductor_trio.server.proxy.context import ExchangeContext, ProxyContext
from conductor_trio.server.proxy.dispatch import Dispatcher, Served
from conductor_trio.server.proxy.exchange.handed import Handed
from conductor_trio.server.proxy.exchange.whole_end import send_with_end
from conductor_trio.server.proxy.parking import ParkedRequests
from conductor_trio.server.proxy.route_runtime import RouteRuntime
from conductor_trio.server.routing.routes import Route
from conductor_trio.server.workers.words import (
    Failure,
    Introduction,
    format_as_received,
    format_introduction,
    read_reply,
)


@attrs.define(eq=False, kw_only=True)
class Control:
    """The way to the control process: where its internal socket is, if there is one.

    When it has gone, requests that can wait do so here for the next one, bounded as those for lost sessions are.
    """

    path: str
    is_away: bool = attrs.field(default=False, init=False)
    is_awaited: bool = attrs.field(default=True, init=False)  #: another one may come
    #: It is another server's than the one that told us of routes: it rules on everything from now on.
    is_next: bool = attrs.field(default=False, init=False)
    _changed: trio.Event = attrs.field(factory=trio.Event, init=False)

    def leave(self, parked: ParkedRequests, *, is_awaited: bool) -> None:
        """It has gone, and another one may come or not."""
        self.is_away, self.is_awaited = True, is_awaited
        self._note_change(parked)

    def move(self, path: str, parked: ParkedRequests) -> None:
        """Another one is there."""
        self.path, self.is_away, self.is_awaited, self.is_next = path, False, False, True
        self._note_change(parked)

    def _note_change(self, parked: ParkedRequests) -> None:
        self._changed.set()
        self._changed = trio.Event()
        if not (self.is_away and self.is_awaited):
            parked.settle_all()

    async def wait_next(self, path: str, request: RequestHead, context: ExchangeContext) -> bool:
        """Wait for another one than was at that path.

        False where none has come in time, or will, or there is no room to wait.
        """
        if self.path == path and not self.is_away:  # its end may show here first
            with trio.move_on_after(context.proxy.limits.worker_ack_timeout):
                await self._changed.wait()
        if self.is_away and self.is_awaited:
            host = "" if request.authority is None else request.authority.host
            size = len(context.requests.trailing_data) + request.size
            await context.proxy.parked.wait_for(host, context.peer.visitor_address(request), size)
        return self.path != path

    async def ask(self, said: bytes, context: ProxyContext, *, needs_end: bool) -> tuple[bool, Handed] | None:
        """Say what opens a connection to it; return whether the request is returned, and the connection.

        None where the control process has gone, or does not answer. With `needs_end` it tells a whole end.
        """
        try:
            sock = await connect_unix_socket(self.path, connect_timeout=context.limits.connect_timeout)
        except UpstreamUnavailable:
            return None
        stream = PolledStream(sock, context.poller, send_timeout=context.limits.send_stall_timeout)
        with contextlib.ExitStack() as stack:
            stack.callback(stream.close)
            end = None
            if needs_end:
                try:
                    end, said = send_with_end(sock, said[:1]), said[1:]
                except OSError:
                    return None
                stack.callback(end.close)
            reply = await _converse(stream, said)
            if reply is not None:
                is_returned, response = reply
                handed = Handed(stream=stream, end=end, from_visitor=b"", from_other=response)
                if not is_returned:
                    stack.pop_all()
                return is_returned, handed
        return None


class WorkerGuard(ConnectionGuard):
    """Has nothing compared but what the control process has let in, on this connection."""

    _asked: tuple[Access, Sequence[Guess]] | None = None
    _granted: tuple[Access, frozenset[Guess]] | None = None

    def begin(self) -> None:
        """Another request begins; of a front proxy's connection it may be anybody's."""
        self._asked = None
        if self._peer.is_trusted:
            self._granted = None

    def screen(
        self, head: RequestHead, guesses: Sequence[Guess], access: Access
    ) -> Sequence[Guess] | TooManyGuesses:
        """Return the guesses if they are known to be right, and have the request handed over otherwise."""
        if self._granted is not None and self._granted[0] is access and self._granted[1].issuperset(guesses):
            return guesses
        self._asked = (access, guesses)
        return TooManyGuesses(wait=1, is_unknown=True)

    def grant(self) -> None:
        """The control process has found what was shown right."""
        if self._asked is not None:
            access, guesses = self._asked
            self._granted = (access, frozenset(guesses))

    def note_wrong(self, head: RequestHead, guesses: Sequence[Guess], access: Access) -> None:
        """Do nothing: the control process counts."""

    def note_right(self, head: RequestHead, access: Access) -> None:
        """Do nothing: the control process has noted it."""


class WorkerDispatcher(Dispatcher):
    """Forwards what is for live routes, and hands everything else over."""

    _guard: WorkerGuard
    control: Control
    _has_asked: bool

    def _make_guard(self) -> WorkerGuard:
        proxy = self._context.proxy
        return WorkerGuard(self._context.peer, proxy.throttle, proxy.name_route)

    async def dispatch(self, request: RequestHead, *, is_complete: bool) -> Served:
        """Have a request ruled on, and carry that out: here where it is forwarded, or else there."""
        self._guard.begin()
        self._has_asked = False
        if self.control.is_next:
            return await self._pass_on(request, is_complete=is_complete)
        return await super().dispatch(request, is_complete=is_complete)

    def begin(self, *, is_mine: bool = False) -> None:
        """Begin with another request, which may be the control process'."""
        super().begin(is_mine=is_mine)

    async def _forward(
        self, request: RequestHead, runtime: RouteRuntime, admitted: Forward, *, is_complete: bool
    ) -> Served:
        self._context.count_request()
        return await super()._forward(request, runtime, admitted, is_complete=is_complete)

    async def _park(self, request: RequestHead, route: Route) -> bool:
        return False  # it waits where its session will come back

    async def _answer(
        self,
        ruling: Respond | OwnPage,
        request: RequestHead,
        route: Route | None,
        *,
        is_complete: bool,
        https: bool,
    ) -> Served:
        if isinstance(ruling, Respond) and ruling.reason is Refusal.TOO_MANY_CONNECTIONS:  # here
            return await super()._answer(ruling, request, route, is_complete=is_complete, https=https)
        return await self._pass_on(request, is_complete=is_complete)

    async def _pass_on(self, request: RequestHead, *, is_complete: bool) -> Served:
        """Have the control process answer, or say that the request is to be forwarded here."""
        may_return, self._has_asked = not self._has_asked, True
        handed = await self._hand_over(request, may_return=may_return)
        if handed is None:
            self._guard.grant()
            return await super().dispatch(request, is_complete=is_complete)
        if isinstance(handed, Handed):
            return handed
        return await self._answerer.answer(handed, request, is_complete=is_complete)

    async def _answer_failure(
        self,
        error: UpstreamUnavailable,
        runtime: RouteRuntime,
        request: RequestHead,
        *,
        is_complete: bool,
        may_repeat: bool,
    ) -> Served:
        """Have the control process see whether the session is still there, where it could go to the next one."""
        if may_repeat:
            runtime.failing_since = runtime.failing_since or time.time()
            failure = Failure(
                route_id=runtime.route_id,
                status=error.status,
                fault=error.fault,
                what=str(error),
                since=runtime.failing_since,
            )
            handed = await self._hand_over(request, may_return=False, failure=failure)
            if isinstance(handed, Handed):
                return handed
        if self.control.is_away and error.fault is UpstreamFault.RELAY_SOCKET:  # nobody knows what became of it
            return await self._answerer.answer(Refusal.GATEWAY_RESTARTING, request, is_complete=is_complete)
        return await super()._answer_failure(
            error, runtime, request, is_complete=is_complete, may_repeat=may_repeat
        )

    async def _hand_over(
        self, request: RequestHead, *, may_return: bool, failure: Failure | None = None
    ) -> Handed | Refusal | None:
        """Hand a request over, to the next server if it can wait; None where it is to be forwarded here."""
        while True:
            path, may_return = self.control.path, may_return and not self.control.is_next
            handed = await self._try_to_hand_over(request, may_return=may_return, failure=failure)
            if handed is not Refusal.GATEWAY_RESTARTING or not (request.is_safe and request.body.is_empty):
                return handed
            async with self.listener:
                if not await self.control.wait_next(path, request, self._context):
                    return handed

    async def _try_to_hand_over(
        self, request: RequestHead, *, may_return: bool, failure: Failure | None
    ) -> Handed | Refusal | None:
        context = self._context
        peer = context.peer
        introduction = Introduction(
            address=peer.address or "",
            is_https=peer.is_https,
            may_return=may_return,
            is_counted=context.is_counted,
            failure=failure,
        )
        context.payer.account = (
            context.proxy.ledger.proxies if peer.address is None else context.proxy.ledger.visitor(peer.address)
        )
        early = context.requests.trailing_data
        said = format_introduction(introduction) + format_as_received(request) + early
        # A response to HTTP/1.1 shows its end by itself.
        answer = await self.control.ask(said, context.proxy, needs_end=not request.is_http11)
        if answer is None:
            return Refusal.GATEWAY_RESTARTING
        is_returned, handed = answer
        if is_returned:
            return None
        context.requests.take_trailing_data()
        context.watch.forget()
        return handed


async def _converse(stream: SocketStream, said: bytes) -> tuple[bool, bytes] | None:
    """Return what `read_reply` does; None where the control process has gone."""
    data = b""
    with contextlib.suppress(*STREAM_LOST):
        await stream.send_all(said)
        while (reply := read_reply(data)) is None:
            more = await stream.receive_some(MAX_REPLY_SIZE)
            if not more:
                return None
            data += more
        return reply
    return None


@attrs.define(eq=False)
class WorkerConnection(VisitorConnection):
    """A visitor's connection at a worker."""

    control: Control = attrs.field(kw_only=True)

    def _make_dispatcher(self, shared: ExchangeContext) -> Dispatcher:
        dispatcher = WorkerDispatcher(shared, self._listen(), self._answerer)
        dispatcher.control = self.control
        return dispatcher
