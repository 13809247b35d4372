"""One request to its application, and the response back to its visitor.

The common exchange, a request that is here as a whole, runs in the visitor's own task. A nursery is opened only
where a body is still coming while the response may come, too.
"""

from __future__ import annotations

import enum
from time import perf_counter

import attrs
import trio

from conductor_trio.access.grants import Principal
from conductor_trio.errors import UpstreamUnavailable
from conductor_trio.http1.request import RequestHead
from conductor_trio.http1.rewrite import format_request_head
from conductor_trio.limits.constants import HEAD_COPIES
from conductor_trio.limits.linger import BRIEF_LINGER
from conductor_trio.net.stream import SocketStream
from conductor_trio.server.proxy.cancellation import CancelReason
from conductor_trio.server.proxy.context import ExchangeContext
from conductor_trio.server.proxy.disconnect import DisconnectListener
from conductor_trio.server.proxy.exchange.failures import (
    ClientDisconnected,
    RequestAborted,
    ResponseTruncated,
    VisitorUnreachable,
)
from conductor_trio.server.proxy.exchange.request_pump import RequestPump
from conductor_trio.server.proxy.exchange.response_relay import ResponseEnd, ResponseRelay
from conductor_trio.server.proxy.exchange.tunnel import Tunnel
from conductor_trio.server.proxy.route_runtime import RouteRuntime


class Outcome(enum.Enum):
    """What the visitor's connection is good for after a request."""

    KEEP = enum.auto()  #: another request
    CLOSE = enum.auto()  #: nothing more; all that was to be said is said
    ABORT = enum.auto()  #: nothing more, and what was said must look cut short


@attrs.define(eq=False)
class Exchange:
    """One exchange over a route's runtime, for the `principal` that was let in.

    `listener` is the visitor's: its connection is cancelled when the visitor aborts, or the session or the
    principal's access ends, and then `has_begun` tells what may still be said.
    """

    _context: ExchangeContext
    _runtime: RouteRuntime
    request: RequestHead
    _listener: DisconnectListener
    _principal: Principal
    _pump: RequestPump
    _response: ResponseRelay | None = attrs.field(default=None, init=False)
    is_finishing: bool = attrs.field(default=False, init=False)  #: the session is over
    _sending: trio.CancelScope | None = attrs.field(default=None, init=False)  # of a body that is still coming

    @property
    def user(self) -> str:
        """Whose session it goes to."""
        return self._runtime.owner.user

    @property
    def held_size(self) -> int:
        """About how many bytes are in memory of its request."""
        return HEAD_COPIES * self.request.size + self._pump.sent_early

    @property
    def has_begun(self) -> bool:
        """Whether anything of a final response went to the visitor."""
        return self._response is not None and self._response.has_begun

    @property
    def cut_outcome(self) -> Outcome:
        """How to end the visitor's connection in the middle of a response, so that this can be seen.

        A reset may destroy what was sent before, so it is for where nothing else shows the cut.
        """
        is_shown = self._response is None or not self._response.has_begun or self._response.shows_its_end
        return Outcome.CLOSE if is_shown else Outcome.ABORT

    @property
    def is_harmless(self) -> bool:
        """Whether to carry it out once more on another link does no harm, and the visitor cannot tell."""
        may_repeat = self.request.is_repeatable or (self.request.body.is_empty and not self._pump.was_sent)
        return may_repeat and not self.has_begun

    def finish(self, reason: CancelReason) -> bool:
        """The session or the server is over: go on with what is under way, to its end, under a deadline.

        False where nothing is: nothing was sent as yet, or the link is lost and nothing more comes that way. What
        does no harm is better carried out once more than waited for. At the server's end it is no more than what
        has come. Of a body that is still coming no more is sent once the session is over.
        """
        response = self._response
        if response is None:
            return False
        timeout = self._context.proxy.limits.ended_session_timeout
        if reason is CancelReason.SERVER_ENDS:
            if not (response.has_unread or self._context.visitor.is_slow):
                return False
            timeout = BRIEF_LINGER.linger_total_timeout
        if reason is CancelReason.LINK_LOST:
            response.is_link_lost = True
            if not response.has_unread and (self.is_harmless or response.has_application_ended):
                return False
        self.is_finishing = True
        if self._sending is not None and reason is not CancelReason.SERVER_ENDS:
            self._sending.cancel()
        self._listener.connection.set_deadline(trio.current_time() + timeout, reason)
        return True

    async def run(self, *, drop_authorization: bool) -> Outcome | Tunnel:
        """Carry the exchange out.

        Raises `UpstreamUnavailable` or `RequestAborted` where no response has begun, so that the visitor can be
        told by an answer of ours.
        """
        runtime = self._runtime
        head = format_request_head(
            self.request,
            self._context.peer,
            drop_authorization=drop_authorization,
            request_id=self._context.watch.request_id,
        )
        first = head + self._pump.available_body()
        runtime.traffic.requests += 1
        runtime.enter(self._listener.connection, self._principal)
        try:
            if runtime.account.is_throttled():
                began = perf_counter()
                await runtime.account.queue_up()
                self._context.watch.note_queued(perf_counter() - began)
            return await self._run_upstream(first)
        except VisitorUnreachable:
            return Outcome.ABORT
        except ClientDisconnected:
            return self.cut_outcome
        except ResponseTruncated as error:
            self._context.report_failure(runtime.route_id, f"Cut a response short: {error}", self.request)
            return self.cut_outcome
        finally:
            runtime.leave(self._listener.connection)
            if self.is_finishing:
                self._listener.connection.clear_deadline()

    async def _run_upstream(self, first: bytes) -> Outcome | Tunnel:
        """Send over a kept connection where a failure may be repeated, otherwise over a fresh one."""
        pool = self._runtime.pool
        if self.request.is_repeatable and (kept := pool.take_idle()) is not None:
            response = self._make_relay(kept)
            try:
                return await self._run_on(kept, response, first)
            except UpstreamUnavailable:
                # The application closed the connection just as it was used again (RFC 9112 section 9.3.1).
                if response.has_heard:
                    raise
        began = perf_counter()
        upstream = await pool.open()
        self._context.watch.note_connecting(perf_counter() - began)
        return await self._run_on(upstream, self._make_relay(upstream), first)

    def _make_relay(self, upstream: SocketStream) -> ResponseRelay:
        response = self._response = ResponseRelay(self._context, self._runtime, upstream, self.request, self._pump)
        return response

    async def _run_on(self, upstream: SocketStream, response: ResponseRelay, first: bytes) -> Outcome | Tunnel:
        """Run over this connection, which is kept afterwards, handed on or closed, whatever happens."""
        owns_upstream = True
        try:
            took_all = await self._pump.send(upstream, first)
            if self._pump.is_complete:
                self._listener.begin()
                try:
                    end = await response.run()
                finally:
                    if (stopping := self._listener.end()) is not None:
                        await stopping  # noqa: ASYNC102
            else:
                took_all, end = await self._run_both(upstream, response, takes=took_all)
            if end is ResponseEnd.SWITCHED:
                owns_upstream = False
                return self._make_tunnel(upstream, response)
            if end is ResponseEnd.REUSABLE and took_all:
                owns_upstream = False
                self._runtime.pool.give_back(upstream)
            return Outcome.KEEP if response.keeps_visitor else Outcome.CLOSE
        finally:
            if owns_upstream:
                upstream.close()

    def _make_tunnel(self, upstream: SocketStream, response: ResponseRelay) -> Tunnel:
        return Tunnel(
            runtime=self._runtime,
            principal=self._principal,
            upstream=upstream,
            from_visitor=self._context.requests.take_trailing_data(),
            from_application=response.trailing_data,
        )

    async def _run_both(
        self, upstream: SocketStream, response: ResponseRelay, *, takes: bool
    ) -> tuple[bool, ResponseEnd]:
        """Relay the response while the request's rest is sent, and then the visitor listened to.

        Returns whether the application took the whole request, and the response's end.
        """
        took_all = False
        end = ResponseEnd.SPENT
        failure: Exception | None = None
        self._sending = sending = trio.CancelScope()

        async def run_request() -> None:
            nonlocal took_all, failure
            try:
                with sending:
                    took_all = await self._pump.run(upstream, takes=takes)
            except (ClientDisconnected, RequestAborted) as error:
                failure = ClientDisconnected() if self.has_begun else error
                nursery.cancel_scope.cancel()
            else:
                await self._listener.wait_visitor()

        with self._listener.holding_request():
            async with trio.open_nursery() as nursery:
                nursery.start_soon(run_request, name="request pump")
                try:
                    end = await response.run()
                except (UpstreamUnavailable, VisitorUnreachable, ResponseTruncated) as error:
                    failure = failure or error
                nursery.cancel_scope.cancel()
        if failure is not None:
            try:
                raise failure
            finally:
                failure = None  # its traceback refers to this frame, which would refer to it
        return took_all, end
