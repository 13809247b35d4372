"""One request to its application, and the response back to its visitor.

The common exchange, a request that is here as a whole, runs in the visitor's own task. A nursery is opened only
where a body is still coming while the response may come, too.
"""

from __future__ import annotations

import contextlib
import enum
from collections.abc import Coroutine
from typing import Any, TypeVar

import trio

from conductor_trio.errors import RemoteProtocolError, UpstreamUnavailable
from conductor_trio.http1.body import (
    EndOfMessage,
    Framing,
    format_chunk,
    format_last_chunk,
)
from conductor_trio.http1.fields import passable_trailers
from conductor_trio.http1.forwarded import Peer
from conductor_trio.http1.reader import RequestReader
from conductor_trio.http1.request import RequestHead
from conductor_trio.http1.rewrite import format_request_head
from conductor_trio.net.relay import STREAM_LOST
from conductor_trio.net.splice_pipe import SplicePipe
from conductor_trio.net.stream import SocketStream, Stream
from conductor_trio.server.proxy.context import Gateway
from conductor_trio.server.proxy.disconnect import DisconnectListener
from conductor_trio.server.proxy.response import ClientDisconnected, ResponseRelay, ResponseTruncated
from conductor_trio.server.proxy.tunnel import Tunnel
from conductor_trio.server.routing.routes import Route

Received = TypeVar("Received", bytes, int)


class Outcome(enum.Enum):
    """What the visitor's connection is good for after an exchange."""

    KEEP = enum.auto()  #: another request
    CLOSE = enum.auto()  #: nothing more; all that was to be said is said
    ABORT = enum.auto()  #: nothing more, and what was said must look cut short


class RequestAborted(Exception):
    """The rest of the request broke the protocol, or did not come, before a response began."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class Exchange:
    """One exchange; `requests` is the visitor's reader, which has just given `request`.

    `request_complete` is given where it is not the first exchange of this request, `grant` what let it in. `watch`
    is the visitor's: its scope is cancelled when the visitor aborts or the route's session ends, and then
    `has_begun` tells what may still be said.
    """

    def __init__(
        self,
        *,
        gateway: Gateway,
        route: Route,
        peer: Peer,
        visitor: Stream,
        requests: RequestReader,
        request: RequestHead,
        watch: DisconnectListener,
        request_complete: bool,
        grant: str,
    ) -> None:
        self._gateway = gateway
        self._limits = gateway.limits
        self.route = route
        self._peer = peer
        self._visitor = visitor
        self._requests = requests
        self.request = request
        self._watch = watch
        self.request_complete = request_complete
        self._grant = grant
        self._response: ResponseRelay | None = None
        self._upstream_reads = True
        self._was_sent = False
        self._failure: Exception | None = None  # of the task beside the response

    @property
    def has_begun(self) -> bool:
        """Whether anything of a final response went to the visitor."""
        return self._response is not None and self._response.has_begun

    @property
    def cut_outcome(self) -> Outcome:
        """How to end the visitor's connection in the middle of a response, so that this can be seen.

        A reset may destroy what was sent before, so it is for where nothing else shows the cut.
        """
        is_shown = self._response is not None and self._response.shows_its_end
        return Outcome.CLOSE if is_shown else Outcome.ABORT

    @property
    def may_repeat(self) -> bool:
        """Whether to carry it out once more on another link does no harm, and the visitor cannot tell."""
        is_harmless = self.request.is_repeatable or (self.request.body.is_empty and not self._was_sent)
        return is_harmless and not self.has_begun

    async def run(self, *, drop_authorization: bool) -> Outcome | Tunnel:
        """Carry the exchange out.

        Raises `UpstreamUnavailable` or `RequestAborted` where no response has begun, so that the visitor can be
        told by an answer of ours.
        """
        head = format_request_head(self.request, self._peer, drop_authorization=drop_authorization)
        try:
            first = head + self._available_body()
        except RemoteProtocolError as error:
            raise RequestAborted(error.status) from error
        self.route.traffic.requests += 1
        self.route.enter(self._watch.scope, self._grant)
        try:
            if self._gateway.fairness.is_throttled(self.route.usage):
                await self._gateway.fairness.wait_for_share(self.route.usage)
            return await self._run_upstream(first)
        except ClientDisconnected:
            return Outcome.ABORT
        except ResponseTruncated:
            return self.cut_outcome
        finally:
            self.route.leave(self._watch.scope)

    async def _run_upstream(self, first: bytes) -> Outcome | Tunnel:
        """Send over a kept connection where a failure may be repeated, otherwise over a fresh one."""
        if self.request.is_repeatable and (kept := self.route.pool.take_idle()) is not None:
            response = self._make_pump(kept)
            try:
                return await self._run_on(response, first)
            except UpstreamUnavailable:
                # The application closed the connection just as it was used again (RFC 9112 section 9.3.1).
                if response.reader.has_begun:
                    raise
        return await self._run_on(self._make_pump(await self.route.pool.open()), first)

    def _make_pump(self, upstream: SocketStream) -> ResponseRelay:
        self._upstream_reads = True
        self._response = ResponseRelay(
            self._gateway, self.route, upstream, self._visitor, self.request, self._may_keep
        )
        return self._response

    def _may_keep(self) -> bool:
        return self.request_complete and not self._gateway.is_draining

    def _available_body(self) -> bytes:
        """Return, framed, what of the request's body is here already."""
        parts = []
        while not self.request_complete and (framed := self._next_framed_body()) is not None:
            parts.append(framed)
        return b"".join(parts)

    def _next_framed_body(self) -> bytes | None:
        """Return the next piece of the request's body as it goes to the application; None: more is needed."""
        chunked = self.request.body.framing is Framing.CHUNKED
        match self._requests.next_event():
            case bytes(payload):
                return format_chunk(payload) if chunked else payload
            case EndOfMessage(trailers=trailers):
                self.request_complete = True
                return format_last_chunk(passable_trailers(trailers)) if chunked else b""
            case _:
                return None

    async def _run_on(self, response: ResponseRelay, first: bytes) -> Outcome | Tunnel:
        """Run over this connection, which is kept afterwards, handed on or closed, whatever happens."""
        upstream = response.upstream
        owns_path = True
        try:
            await self._send_to_application(upstream, first)
            self._gateway.fairness.charge(self.route.usage)
            if self.request_complete:
                async with self._watch:
                    await response.run()
            else:
                await self._pump_both(response)
            if response.has_switched:
                owns_path = False
                return Tunnel(
                    route=self.route,
                    grant=self._grant,
                    upstream=upstream,
                    from_visitor=self._requests.trailing_data,
                    from_application=response.reader.trailing_data,
                )
            if response.leaves_upstream_clean and self._upstream_reads and self.request_complete:
                owns_path = False
                self.route.pool.give_back(upstream)
            return Outcome.KEEP if response.keeps_visitor else Outcome.CLOSE
        finally:
            if owns_path:
                upstream.close()

    async def _send_to_application(self, upstream: SocketStream, data: bytes) -> None:
        if data and self._upstream_reads:
            await self._send_piece(len(data), upstream.send_all(data))

    async def _send_piece(self, size: int, sending: Coroutine[Any, Any, None]) -> None:
        """Send while the application takes it; one that stops reading may still have an answer to give."""
        self._was_sent = True
        self.route.traffic.count_to_application(size)
        self._upstream_reads = False  # until all is sent: a response that is complete cancels this half-way
        try:
            await sending
            self._upstream_reads = True
        except STREAM_LOST:
            pass

    async def _pump_both(self, response: ResponseRelay) -> None:
        """Pump the response while the request's rest is sent, and then the visitor watched."""
        failure: Exception | None = None
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._mind_visitor, response.upstream, nursery.cancel_scope)
            try:
                await response.run()
            except (UpstreamUnavailable, ClientDisconnected, ResponseTruncated) as error:
                failure = error
            nursery.cancel_scope.cancel()
        failure = self._failure or failure
        if failure is not None:
            raise failure

    async def _mind_visitor(self, upstream: SocketStream, response: trio.CancelScope) -> None:
        """Send the rest of the request, then watch the visitor; a failure ends the response."""
        try:
            await self._pump_request(upstream)
        except (ClientDisconnected, RequestAborted) as error:
            self._failure = ClientDisconnected() if self.has_begun else error
            response.cancel()
        else:
            if not self._requests.trailing_data:
                await self._watch.wait_visitor()

    async def _pump_request(self, upstream: SocketStream) -> None:
        """Send the rest of the body; where the application takes no more of it, read it away.

        An application that answers early, say 413, may stop reading; its answer must reach a visitor that
        is still sending.
        """
        with contextlib.closing(SplicePipe(self._visitor, upstream, self._gateway.buffer)) as passage:
            while not self.request_complete:
                try:
                    framed = self._next_framed_body()
                except RemoteProtocolError as error:
                    raise RequestAborted(error.status) from error
                if framed is not None:
                    await self._send_to_application(upstream, framed)
                elif left := self._requests.raw_remaining:
                    # Before a piece, not after it: the end of the request, which may be here, is not to be late.
                    await self._gateway.fairness.yield_if_over_share(self.route.usage)
                    count = await self._receive_body(passage.receive(left))
                    self._requests.skip(count)
                    if self._upstream_reads:
                        await self._send_piece(count, passage.send())
                    if not self._upstream_reads:  # nobody wants what it holds
                        passage.close()
                else:
                    data = await self._receive_body(self._visitor.receive_some(self._limits.read_size))
                    self._requests.receive_data(data)

    async def _receive_body(self, receiving: Coroutine[Any, Any, Received]) -> Received:
        try:
            with trio.fail_after(self._limits.body_stall_timeout):
                received = await receiving
        except trio.TooSlowError as error:
            raise RequestAborted(408) from error
        except STREAM_LOST as error:
            raise ClientDisconnected from error
        if not received:  # the request is cut short, and so must it look to the application
            raise ClientDisconnected
        return received
